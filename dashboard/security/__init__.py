"""Permissions, login limits, audit log and checks of requests.
Here: permissions, login throttle, audit log, access to logs.
Not here: pages about accounts (`pages`), who stays on a socket (`consumers`).
"""
