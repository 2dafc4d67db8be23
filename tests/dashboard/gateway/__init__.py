"""The gateway: OpenAI-compatible, in front of all deployments."""
