"""Documents keep their word."""
