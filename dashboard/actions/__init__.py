"""Changes by people, shared by pages and API.
Here: change, audit entry, dispatch; the permission where pages and API refuse alike.
Not here: reading for a page (`pages`), changes that hosts or tasks make too (`jobs.services`).
"""
