"""Pages that launch one job or a pipeline.
Here: the form, its preview, its preflight.
Not here: fields and checks (`forms`), the launch itself (`jobs.launch`, `jobs.pipelines`).
"""
