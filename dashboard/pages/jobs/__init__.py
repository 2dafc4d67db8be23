"""Jobs: list, job, pipeline, matrix, greedy probe.
Here: views; failures, advice and remedies in words.
Not here: launches (`pages.launch`).
"""
