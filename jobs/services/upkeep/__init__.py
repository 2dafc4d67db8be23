"""Rounds of the dashboard's worker: lost jobs, packing, retention.
Here: what is done again and again, and may be done twice.
Not here: the schedule (`dashboard.celery`).
"""
