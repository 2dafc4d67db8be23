"""``evalscope`` 1.14.1: eval and perf, which really ask the server."""
