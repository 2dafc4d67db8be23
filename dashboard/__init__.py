"""The Django project, with all that a browser shows: pages, API, sockets, forms.
Here: whatever would be gone without a browser; at its top only what Django looks for there.
Not here: rules and records (`jobs`), what runs on a host (`jobs.host`).
"""
