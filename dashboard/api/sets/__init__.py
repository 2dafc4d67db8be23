"""The API of what models are asked: prompts and data sets.
Here: one file a subject, with its operations and schemas.
Not here: how sets are read and kept (`jobs.catalog`), changes (`dashboard.actions`).
"""
