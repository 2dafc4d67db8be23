"""Answers of deployed models on their way to a browser.
Here: the relay beside Django, turns that are under way, their files and figures.
Not here: what an engine's stream means (`jobs.completions`), the page (`pages.serving`).
"""
