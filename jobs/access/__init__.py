"""Permitted people and things: accounts, secrets, sources, users of Valkey.
Here: the records, and the question whether a person, address or host may have them.
Not here: rights of pages (`dashboard.security`), who may launch on a host (`schedule`).
"""
