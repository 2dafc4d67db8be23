"""Hosts: list, host, queue, keys, launchers.
Here: views and the view model of a host.
Not here: what a host sends (`intake`).
"""
