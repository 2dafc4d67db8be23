"""Writes to the records."""
