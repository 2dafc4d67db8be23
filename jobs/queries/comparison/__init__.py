"""Comparison of results: differences, their size and significance.
Here: compared settings, paired questions, differences in workload.
Not here: single results (`queries.results`).
"""
