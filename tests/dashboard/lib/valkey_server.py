"""A Valkey of its own for a test."""

import contextlib
import subprocess
import time

import redis

from dashboard.server.valkey import prepare


@contextlib.contextmanager
def running_valkey(folder):
    valkey = prepare(folder, "")
    process = subprocess.Popen(valkey.argv(), stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=str(valkey.socket))
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
