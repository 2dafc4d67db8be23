"""Writes to the records, and secrets of jobs.
Here: one file a record or a matter; each change is whole or not at all.
Not here: rights, audit and the small writes of people (`dashboard.actions`), reads (`queries`).
"""
