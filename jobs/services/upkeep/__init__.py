"""Periodic tasks of the dashboard's worker: lost jobs, packing, retention.
Here: repeated tasks that are safe to run twice.
Not here: the schedule (`dashboard.celery`).
"""
