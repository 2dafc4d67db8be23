"""Answers of evaluations: the reader's list, and the questions that were asked.
Here: rows of answers, the texts of one answer, its question.
Not here: scores and flags of answers (`queries.results`), pairs of runs (`queries.comparison`).
"""
