"""Frozen values that every layer shares. No IO, nothing heavy."""
