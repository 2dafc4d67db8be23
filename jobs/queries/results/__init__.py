"""Queries of results: list with facets, single result, repeats.
Here: measured results and their repeats.
Not here: comparison of results (`queries.comparison`), intervals (`statistics`).
"""
