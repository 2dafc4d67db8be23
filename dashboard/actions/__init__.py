"""Changes by people, shared by pages and API.
Here: permission, change, audit entry, dispatch.
Not here: reading for a page (`presenters`), the change itself (`jobs.services`).
"""
