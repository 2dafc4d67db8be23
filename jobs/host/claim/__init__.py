"""Claims of jobs, and limits on what they may do on this host.
Here: claim, policy, paths that a plan names, preflight.
Not here: running it (`host.run`).
"""
