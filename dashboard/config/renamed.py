"""Former names of the dashboard's settings; ``jobs.host.base.renamed`` refuses them at a start."""

# Former name -> present name.
RENAMED = {
    "HOST_BIND": "BIND",
    "KEEP_FOR": "RETENTION_AGE",
    "KEEP_WITHIN": "RETENTION_SIZE",
    "PACK_LOGS_AFTER": "COMPRESS_LOGS_AFTER",
    "SILENT_AFTER": "STALLED_AFTER",
}
