"""View models that several areas show.
Here: rows, marks, exports and words of results; plans, columns, dies.
Not here: one page of one area (its folder).
"""
