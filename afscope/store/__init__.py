"""Captures on disk: schema, writer, reader, follow, pack, verify, recover."""
