"""Data sets of evaluations: list, one set, a team's own.
Here: pages; forms of a team's set.
Not here: the catalogue (`jobs.catalog`), results on a set (`jobs.queries.data_sets`).
"""
