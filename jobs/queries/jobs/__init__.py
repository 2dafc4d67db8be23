"""Reads about jobs: lists, groups, one job's page, chains, points, log excerpts.
Here: what was launched and how far it is.
Not here: what it measured (`queries.results`).
"""
