"""Requests to a deployed model, and what its answers mean.
Here: streams, reasoning, usage; twins of `static/js/lib`, held to the same vectors.
Not here: passing bytes to a browser (`dashboard.chat`).
"""
