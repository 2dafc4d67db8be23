"""Settings from the environment, and the file that makes a host.
Here: one table of variables with their readers; standard library only.
Not here: Django's own settings (`dashboard.settings`), a host's (`jobs.host.base.config`).
"""
