"""Imports: recordings and kubectl output to captures."""
