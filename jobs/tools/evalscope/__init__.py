"""EvalScope: performance test, evaluation, data sets of a hub.
Here: its command lines, scripts, formats and pins; early stop.
Not here: scoring of answers (`host.scoring`).
"""
