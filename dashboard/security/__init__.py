"""Permissions, login limits, audit log and checks of requests.
Here: permissions, login throttle, audit log, who may go on listening.
Not here: pages about accounts (`pages`), the sockets themselves (`consumers`).
"""
