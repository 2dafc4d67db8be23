"""Typed messages of hosts: heartbeats, facts, events, points, outputs, findings.
Here: what a host may send, and the error with its field otherwise.
Not here: what a message changes (`services.intake`), the requests (`dashboard.intake.ingest`).
"""
