"""All that runs on a host: no Django, no database.
Here: what claims, checks, runs, ships and retains.
Not here: anything that imports more than `jobs.plans`, errors, files and this room.
"""
