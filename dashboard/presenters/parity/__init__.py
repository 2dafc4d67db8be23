"""Parity statements in words: verdict, method, warnings; and as data.
Here: what is asked for, texts for page, report, API and command.
Not here: the statement itself (`jobs.queries.parity`).
"""
