"""What the spool holds, sent to the dashboard; what is none of its own.
Here: offsets, health of servers, orphans.
Not here: the HTTP client (`host.base.client`).
"""
