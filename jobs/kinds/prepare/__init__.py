"""Kinds that prepare weights, datasets, images or environments on a host.
Here: download, convert, modify, build, check.
Not here: compiling for the cards (`kinds.compile`).
"""
