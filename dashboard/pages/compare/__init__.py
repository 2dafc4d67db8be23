"""Comparison of results, and pasted tables.
Here: views, exports, cost of tokens.
Not here: formulas (`jobs.queries.comparison`).
"""
