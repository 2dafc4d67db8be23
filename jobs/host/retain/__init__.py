"""Spools that are here: found, adopted, cleaned away.
Here: what to do with a spool whose launcher is gone or whose job is over.
Not here: the spool's format (`host.base.spool`).
"""
