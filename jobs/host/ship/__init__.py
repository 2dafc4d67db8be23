"""Send the spool's content to the dashboard; handle orphans.
Here: offsets, health of servers, orphans.
Not here: the HTTP client (`host.base.client`).
"""
