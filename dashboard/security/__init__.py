"""Permissions, login limits, audit log and checks of requests.
Here: permissions, login throttle, audit log.
Not here: pages about accounts (`pages`), who stays on a socket (`consumers`).
"""
