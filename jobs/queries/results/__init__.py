"""Reads about results: the list with its facets, one result, its repeats.
Here: what was measured, once or again.
Not here: two side by side (`queries.comparison`), intervals (`queries.statistics`).
"""
