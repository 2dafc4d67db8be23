"""Kinds that serve a model over an OpenAI-compatible API.
Here: the server's arguments and readiness.
Not here: the life of a server (`services.deployments`).
"""
