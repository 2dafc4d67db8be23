"""The commands of `manage.py` and what they share.
Here: reading arguments, following a job, translation sources.
Not here: what a command does for pages too (`actions`, `jobs`).
"""
