"""What hosts send, taken into the records.
Here: heartbeats, events, logs by offset, points, outputs.
Not here: the routes (`dashboard.api.ingest`), what it comes to (`services.outcomes`).
"""
