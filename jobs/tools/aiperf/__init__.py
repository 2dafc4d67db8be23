"""AIPerf: imports of its results.
Here: the reader of its files.
Not here: a kind of job: the dashboard does not run it.
"""
