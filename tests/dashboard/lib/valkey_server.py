"""A Valkey of its own for a test."""

import contextlib
import subprocess
import time

import redis

from dashboard.server.valkey import prepare

MEMORY = 32_000_000


@contextlib.contextmanager
def running_valkey(folder, listen=None):
    """An embedded Valkey without hosts, its process, and a client of the dashboard."""
    valkey = prepare(folder, "", MEMORY, listen)
    process = subprocess.Popen(valkey.argv(), stdout=subprocess.DEVNULL)
    client = redis.Redis.from_url(valkey.url)
    for _ in range(100):
        with contextlib.suppress(redis.RedisError):
            client.ping()
            break
        time.sleep(0.05)
    try:
        yield valkey, process, client
    finally:
        process.kill()
        process.wait(10)
