"""Kinds that measure speed.
Here: over HTTP against a deployment, or of the engine alone.
Not here: accuracy (`kinds.evaluate`).
"""
