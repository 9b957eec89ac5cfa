"""Tests, one folder per area of behaviour."""
