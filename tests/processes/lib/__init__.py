"""Shared by tests across processes."""
