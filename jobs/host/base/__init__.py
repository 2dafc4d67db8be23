"""Foundation of the host's packages: settings, spool, disk, processes, client.
Here: standard library, and no decision about jobs.
Not here: what a job is started with (`host.run`), cards (`host.probe`).
"""
