"""Parity: whether a model is as accurate as the other.
Here: the question asked, the statement and its words, missing questions.
Not here: formulas (`jobs.statistics`), what is compared (`jobs.queries.parity`).
"""
