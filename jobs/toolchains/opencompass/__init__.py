"""OpenCompass: its configuration, its run, its environment.
Here: its configuration file and steps.
Not here: what it writes (`parsers.opencompass`).
"""
