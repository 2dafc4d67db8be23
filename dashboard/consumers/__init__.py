"""Sockets of pages: logs and news.
Here: messages of sockets, rights of listeners, closing a socket whose rights have ended.
Not here: reading a log (`jobs.logstore`), the stream of a chat (`chat`).
"""
