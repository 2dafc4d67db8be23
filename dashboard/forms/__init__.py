"""Forms, their validation and confirmations.
Here: schema to fields, submitted data to values.
Not here: launching (`jobs.launch`), the view that shows a form (`views`).
"""
