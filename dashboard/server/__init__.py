"""Processes that ``make run`` starts and keeps alive.
Here: supervisor, Valkey, web server, static files, the dashboard's own health.
Not here: the agent and its processes (`jobs.host.agent`), settings (`config`).
"""
