"""Foundation of the host's packages: settings, spool, disk, processes, client.
Here: files, processes, HTTP to the dashboard; no decision about jobs.
Not here: what a job is started with (`host.run`), cards (`host.probe`).
"""
