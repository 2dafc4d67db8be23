"""A docker of its own: a daemon that keeps containers as plain processes, and its client."""
