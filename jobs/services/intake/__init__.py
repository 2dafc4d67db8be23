"""Intake of host reports into the records.
Here: heartbeats, events, logs by offset, points, outputs.
Not here: routes (`dashboard.intake.ingest`), outcomes (`services.outcomes`).
"""
