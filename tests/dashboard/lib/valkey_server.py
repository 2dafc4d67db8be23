"""A Valkey of its own for a test."""

import contextlib
import subprocess

import redis

from dashboard.server.valkey import prepare
from tests.waiting import PATIENCE_S, until

MEMORY = 32_000_000


@contextlib.contextmanager
def running_valkey(folder, listen=None):
    """An embedded Valkey without hosts, its process, and a client of the dashboard."""
    valkey = prepare(folder, "", MEMORY, listen)
    process = subprocess.Popen(valkey.argv(), stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(valkey.url)
    try:
        until(lambda: answers(client), "Valkey answers")
        yield valkey, process, client
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def answers(client):
    """Return True once this client's server answers."""
    with contextlib.suppress(redis.RedisError):
        return client.ping()
    return False
