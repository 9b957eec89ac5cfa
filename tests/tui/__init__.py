"""The screen: pure parts by value, the whole by pressing keys and reading frames."""
