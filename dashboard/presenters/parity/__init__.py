"""Parity statements in words: verdict, method, warnings; and as data.
Here: requests, texts for page, report, API and command.
Not here: the statement itself (`jobs.queries.parity`).
"""
