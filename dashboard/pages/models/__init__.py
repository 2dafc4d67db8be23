"""Models: list, model, form of a model.
Here: views, what fits on a host.
Not here: the catalogue (`jobs.catalog`).
"""
