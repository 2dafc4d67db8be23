"""Reads about hosts: dies, assets, capacity, when a job starts.
Here: a host as pages and kinds see it.
Not here: starting a job (`jobs.schedule.dispatch`).
"""
