"""Parts that several kinds of reports have: numbers, method, remarks.
Here: tables, facts and lists of a document, from the pages' view models.
Not here: which parts a report has (`kinds`), and how they are written (`writers`).
"""
