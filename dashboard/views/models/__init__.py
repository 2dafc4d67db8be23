"""Pages about models, and the editor of a team's own.
Here: views of `/models/`.
Not here: the catalogue (`jobs.catalog`), the editor's fields (`forms.model`).
"""
