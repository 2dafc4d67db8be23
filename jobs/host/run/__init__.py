"""One plan while it runs: launcher, commands, log, watches.
Here: what lives in the launcher's process or starts it.
Not here: whether it may start (`host.claim`), sending what it wrote (`host.ship`).
"""
