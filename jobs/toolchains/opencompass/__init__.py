"""OpenCompass: its configuration, its run, its environment.
Here: the file that says what is asked of whom, and the steps that ask.
Not here: what it writes (`parsers.opencompass`).
"""
