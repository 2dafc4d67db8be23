"""The REST API with its OpenAPI document (app), the intake of hosts (ingest).
Here: routes, tokens, the shape of answers.
Not here: HTML (`pages`), storing what a host sent (`jobs.services.intake`).
"""
