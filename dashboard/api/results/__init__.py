"""The API around results: what people add to them, saved views, the fleet.
Here: one file a subject, with its operations and schemas.
Not here: results themselves (`dashboard.api.rest`), changes (`dashboard.actions`).
"""
