"""Greedy probe: the same prompts to two engines at temperature 0.
Here: its script, its command line, its file.
Not here: fields of the form (`kinds.evaluate`).
"""
