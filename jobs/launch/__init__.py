"""Launches: a job, its successors, a resumed one, a pipeline, a matrix.
Here: preview, then rows in the queue.
Not here: commands of a plan (`kinds`), when a job starts (`schedule`).
"""
