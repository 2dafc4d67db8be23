"""GuideLLM: benchmark over HTTP.
Here: its command line, its report, its pins.
Not here: fields of the form (`kinds.benchmark`).
"""
