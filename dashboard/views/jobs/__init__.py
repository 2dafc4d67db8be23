"""Pages about jobs and pipelines that were launched.
Here: views of `/jobs/` and `/pipelines/`.
Not here: launching (`views.launch`), the log's own routes (`api.logs`).
"""
