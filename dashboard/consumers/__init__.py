"""Sockets, one file each."""
