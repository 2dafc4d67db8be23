"""Pages about hosts: list, one host, keys, queue.
Here: views of `/hosts/`.
Not here: what is shown of a host (`presenters.host`).
"""
