"""Administration: people, sources, secrets, storage, audit, sets.
Here: views of rows that a team edits.
Not here: their changes (`actions`).
"""
