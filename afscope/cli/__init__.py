"""typer commands: wiring only."""
