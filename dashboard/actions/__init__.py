"""What people change, the same for pages and API.
Here: may they, the change, its audit entry, what starts now.
Not here: reading for a page (`presenters`), the change itself (`jobs.services`).
"""
