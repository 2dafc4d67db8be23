"""Answers of evaluations: reader, hygiene, export, own question sets.
Here: views and their view models.
Not here: scores (`pages.results`).
"""
