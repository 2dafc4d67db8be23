"""Answers of evaluations: the reader's list, and bounds of a score.
Here: rows of answers, and the texts of one answer.
Not here: scores of sets and categories (`queries.results`), pairs of runs (`queries.comparison`).
"""
