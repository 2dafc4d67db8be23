"""Which jobs this host takes, and what it lets them do.
Here: claim, policy, paths that a plan names, preflight.
Not here: running it (`host.run`).
"""
