"""Commands and environments that several tools share.
Here: environments, sites, downloads, prompts; typed figures, files and lines of outputs.
Not here: what one tool alone uses (its folder).
"""
