"""Users of Valkey: names, rights, lines of its ACL

The dashboard may do everything. A host may read its own queue and write nothing: a worker needs no
more (``jobs.host.agent.app``), so that a host reaches no other host's data and fills no memory.
"""

from __future__ import annotations

import hashlib

DASHBOARD = "default"
# BRPOP takes a hint; LLEN, in a transaction, is how kombu declares a queue.
HOST_COMMANDS = "+brpop +llen +multi +exec +ping +client|setinfo"


def user_of(host: str) -> str:
    """Return the name of the user of a host."""
    return f"host-{host}"


def sha256(password: str) -> str:
    """Return the hash that Valkey compares; passwords are long and random."""
    return hashlib.sha256(password.encode()).hexdigest()


def dashboard_line(password: str) -> str:
    """Return the line of the ACL file for the dashboard."""
    return f"user {DASHBOARD} on #{sha256(password)} ~* &* +@all\n"


def host_rules(host: str, password_sha256: str, *, database: str = "0") -> str:
    """Return name and rules of the user of a host, as ``ACL SETUSER`` takes them.

    ``database`` other than "0": the worker selects it.
    """
    select = "" if database == "0" else " +select"
    return f"{user_of(host)} reset on #{password_sha256} ~host.{host} -@all {HOST_COMMANDS}{select}"


def host_line(host: str, password_sha256: str) -> str:
    """Return the line of the ACL file for a host."""
    return f"user {host_rules(host, password_sha256)}\n"


def passwords_of(lines: list[str]) -> dict[str, frozenset[str]]:
    """Return the hashes of passwords of each user, from the answer to ``ACL LIST``."""
    rules = [line.split() for line in lines]
    return {
        words[1]: frozenset(word.removeprefix("#") for word in words if word.startswith("#"))
        for words in rules
    }
