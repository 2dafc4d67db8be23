"""Everything without a browser: plans, jobs, hosts, logs, results.
Here: rules, records and their life; at its top what ties the rooms together.
Not here: anything that a page looks like (`dashboard`).
"""
