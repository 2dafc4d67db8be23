"""View models of results: comparison, provenance, tables, exports.
Here: view models of one result or of several.
Not here: statistics (`jobs.queries`), figures (`charts`).
"""
