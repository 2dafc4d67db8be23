"""What became of a job: outcome, result, assets, identity, known failure.
Here: from the host's last word and the outputs to the records.
Not here: parsing (`parsers`), what a kind concludes (`kinds`).
"""
