"""Shared code of kinds, and the interface of a kind.
Here: the protocol of a kind, fields, defaults, limits; no helper imports a kind.
Not here: a kind (`kinds`), a tool (`tools`).
"""
