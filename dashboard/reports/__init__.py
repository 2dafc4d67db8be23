"""Reports to send: a document in one language, as HTML, Markdown or CSV.
Here: what a report has (`kinds`), in which order, and how a format writes it (`writers`).
Not here: numbers and their texts: both are those of the pages (`pages`, `text`).
"""
