"""Reports to send: a document in one language, as HTML, Markdown or CSV.
Here: what each kind of report has, in which order, and how a format writes it.
Not here: numbers and their texts: both are those of the pages (`pages`, `text`).
"""
