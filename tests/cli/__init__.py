"""The command line: formats, exit codes, errors."""
