"""Kinds that measure accuracy.
Here: questions sent to a deployment, and scored answers.
Not here: rules of scoring (`jobs.host.scoring`), speed (`kinds.benchmark`).
"""
