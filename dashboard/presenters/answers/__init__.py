"""View models of answers: the reader, quality of a score, an issue's text.
Here: answers of one evaluation.
Not here: scores (`presenters.result`), flags and bounds (`jobs.queries.answers`).
"""
