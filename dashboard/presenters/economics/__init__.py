"""View models of accuracy and its price: tokens, budgets, speed, subjects.
Here: cards, tables and words of one evaluation or of many.
Not here: the numbers (`jobs.queries.results`), charts (`dashboard.charts`).
"""
