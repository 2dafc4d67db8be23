"""Parts of imports that several tools share.
Here: a bundle of files, dates in them, checked values, points over HTTP.
Not here: recognition of a tool's files (`imports` in its folder), storage (`services.imports`).
"""
