"""Pages, by area; each file ends with its addresses.
Here: from a request to a template, with the right that it needs.
Not here: what a page shows (`presenters`), what it changes (`actions`, `jobs.services`).
"""
