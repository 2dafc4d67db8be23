"""Deployments, endpoints, playground.
Here: views of engines that answer.
Not here: the stream of a chat (`chat`).
"""
