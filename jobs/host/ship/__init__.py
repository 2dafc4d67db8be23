"""Send the spool's content; set aside spools that the dashboard does not know.
Here: offsets, health of servers, spools set aside.
Not here: the HTTP client (`host.base.client`).
"""
