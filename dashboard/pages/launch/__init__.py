"""Pages that launch a job, a matrix or a pipeline.
Here: form, preview, preflight.
Not here: the launch itself (`jobs.launch`).
"""
