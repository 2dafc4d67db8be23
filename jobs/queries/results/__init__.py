"""Queries of results: list with facets, one result, repeats, flags of answers.
Here: measured results, their repeats, and what leaves a score in doubt.
Not here: comparison of results (`queries.comparison`), intervals (`statistics`).
"""
