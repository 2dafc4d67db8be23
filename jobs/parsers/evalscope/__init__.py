"""Parsers of EvalScope's outputs.
Here: reports of evaluations and performance tests.
Not here: its command lines (`toolchains.evalscope`).
"""
