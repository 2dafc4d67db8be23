"""Where a model's thought ends.
Here: in a stream, and in a whole text.
Not here: scoring of answers (`jobs.host.scoring`).
"""
