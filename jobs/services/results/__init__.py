"""Additions to results: tags, notes, sign-offs, baselines, saved views.
Here: the changes, and their limits.
Not here: who may make them, and the audit log (`dashboard`); what jobs measured (`outcomes`).
"""
