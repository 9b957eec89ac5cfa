"""The terminal UI: one screen per file, app.py only wires."""
