"""Periodic tasks of the dashboard's worker: lost jobs, packing, retention.
Here: repeated tasks that are safe to run twice, and how often each is due.
Not here: the schedule (`dashboard.server.scheduler`).
"""

SWEEP_S = 10.0
PACKING_S = 300.0
RETENTION_S = 300.0
