"""Overview, search, guide, health, choice of columns.
Here: views that belong to no area.
Not here: lists of an area (its folder).
"""
