"""Reads for pages: rows in a bounded number of queries, nothing changed.
Here: by what is read; what serves all areas is at the top.
Not here: writes (`services`), words (`dashboard.text`).
"""
