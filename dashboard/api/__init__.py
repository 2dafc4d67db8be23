"""The REST API: its OpenAPI document (app), and what operations share (base).
Here: routes, tokens, the shape of answers.
Not here: HTML (`pages`), storing what a host sent (`jobs.services.intake`).
"""
