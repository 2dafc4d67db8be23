"""Forms, what they check, what they confirm.
Here: from a schema to fields, from what was sent to values.
Not here: launching (`jobs.launch`), the view that shows a form (`views`).
"""
