"""View models of answers: the reader, answer quality of a score, an answer as an issue's text.
Here: answers of one evaluation.
Not here: scores (`presenters.result`), flags and bounds (`jobs.queries.answers`).
"""
