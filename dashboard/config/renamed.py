"""Former names of environment variables, each with its present one. A start refuses them."""

RENAMED = {
    "HOST_BIND": "BIND",
    "KEEP_FOR": "RETENTION_AGE",
    "KEEP_WITHIN": "RETENTION_SIZE",
    "PACK_LOGS_AFTER": "COMPRESS_LOGS_AFTER",
    "SILENT_AFTER": "STALLED_AFTER",
}
