"""Kinds that bring weights, datasets, images or environments onto a host.
Here: download, convert, modify, build, check.
Not here: compiling for the cards (`kinds.compile`).
"""
