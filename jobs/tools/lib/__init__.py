"""Commands and environments that several tools share.
Here: environments, sites, prompts, variants of plans; growing files, counters of engines.
Not here: what one tool alone uses (its folder), formats of outputs (`outputs`).
"""
