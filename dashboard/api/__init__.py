"""The REST API, and what hosts send over HTTP.
Here: routes, tokens, the shape of answers.
Not here: HTML (`views`), taking what a host sent into the records (`jobs.services.intake`).
"""
