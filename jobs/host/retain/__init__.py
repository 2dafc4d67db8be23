"""Spools on this host: indexed, adopted, removed.
Here: what to do with a spool whose launcher is gone or whose job is over.
Not here: the spool's format (`host.base.spool`).
"""
