"""Captures from dumps that were made elsewhere."""
