"""Kinds that serve a model over an OpenAI-compatible API.
Here: what a server is told and when it is ready.
Not here: the life of a server (`services.deployments`).
"""
