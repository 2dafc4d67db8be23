"""EvalScope: performance test and evaluation.
Here: its command lines, with shipped questions or a hub's data sets.
Not here: how an answer is scored (`jobs.host.scoring`).
"""
