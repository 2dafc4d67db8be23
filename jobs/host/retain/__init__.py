"""Spools on this host: dead ones end as lost, fresh ones start, old ones go.
Here: what to do with a spool whose launcher is gone or whose job is over.
Not here: the spool's format (`host.base.spool`).
"""
