"""Intake of host reports into the records.
Here: heartbeats, events, logs by offset, points, outputs.
Not here: routes (`dashboard.intake.ingest`), messages and their bounds (`jobs.host_protocol`),
outcomes (`services.outcomes`).
"""
