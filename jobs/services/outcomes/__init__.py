"""Outcome of a job: verdict, result, assets, identity, known failure.
Here: from the host's final event and the outputs to the records.
Not here: parsing (`tools`), conclusions of a kind (`kinds`).
"""
