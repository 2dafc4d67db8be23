"""Pages, API, sockets and forms that a browser sees; the Django project.
Here: whatever would be gone without a browser; at its top only what Django looks for there.
Not here: rules and records (`jobs`), what runs on a host (`jobs.host`).
"""

__version__ = "0.1.0"
