"""EvalScope: performance test and evaluation.
Here: its command lines, with built-in questions or a hub's data sets.
Not here: scoring of answers (`jobs.host.scoring`).
"""
