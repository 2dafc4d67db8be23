"""Everything that a browser sees, and the Django project: pages, API, sockets, forms.
Here: whatever would be gone without a browser; at its top only what Django looks for there.
Not here: rules and records (`jobs`), what runs on a host (`jobs.host`).
"""
