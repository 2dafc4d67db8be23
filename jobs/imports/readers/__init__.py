"""Readers of result files: a tool is a file here.
Here: recognition by content, and the reading as a measurement.
Not here: figures of a tool's output (`parsers`), storage (`services.imports`).
"""
