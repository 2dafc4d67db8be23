"""Statement on two accuracies: equivalent, better, worse, or not decided.
Here: evidence of each data set, the statement, warnings, bare counts and pasted tables.
Not here: formulas (`statistics`), words (`dashboard.pages.parity`).
"""
