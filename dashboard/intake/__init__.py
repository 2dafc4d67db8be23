"""The protocol of hosts: heartbeats, claims, streams, outputs.
Here: addresses below `host/`, keys of hosts, bounds of a request.
Not here: what a message changes (`jobs.services.intake`).
"""
