"""Ground of everything: errors, messages, numbers, units, addresses.
Here: plain Python and pydantic.
Not here: what knows a model, a tool or a job.
"""
