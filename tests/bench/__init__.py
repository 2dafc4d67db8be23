"""``make bench``: how fast the whole is, each thing beside its limit in the same run.

``rows/`` has a file for each row of the table in docs/performance.md; ``inside/`` has what runs
with Django set up, in a process of its own on the data of a stack. A row measures real processes.
"""
