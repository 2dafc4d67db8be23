"""Kinds that make an artifact of weights.
Here: another precision, or a VACC artifact.
Not here: serving it (`kinds.deploy`).
"""
