"""Kinds that measure accuracy.
Here: questions asked of a deployment, answers scored.
Not here: rules of scoring (`jobs.host.scoring`), speed (`kinds.benchmark`).
"""
