"""Shared by the stand-in programs. Standard library only, Python 3.10 or newer."""
