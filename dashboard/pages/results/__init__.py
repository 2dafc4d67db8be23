"""Results: list, result, fleet, trade-off, history, imports.
Here: views and their view models.
Not here: comparison (`pages.compare`), answers (`pages.answers`).
"""
