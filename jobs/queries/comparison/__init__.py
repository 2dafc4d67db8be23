"""Reads that hold results side by side: what differs, by how much, how sure.
Here: settings compared, questions paired, why there is no verdict.
Not here: one result (`queries.results`).
"""
