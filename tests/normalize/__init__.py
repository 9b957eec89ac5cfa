"""Normalizers: raw bytes and rows to rows of the capture."""
