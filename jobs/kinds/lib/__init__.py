"""What kinds share, and what others know of a kind.
Here: the protocol of a kind, fields, defaults, limits; no helper imports a kind.
Not here: a kind (its family), a tool (`toolchains`).
"""
