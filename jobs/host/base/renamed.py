"""Former names of a host's settings, each with its present one. A start refuses them."""

RENAMED = {
    "HOST_PROGRAMS": "AGENT_ALLOWED_PROGRAMS",
    "HOST_ROOTS": "AGENT_ALLOWED_PATHS",
}
