"""A Valkey of its own for a test."""

import contextlib
import socket
import subprocess
import sys

import redis

from dashboard.server.supervisor import prepare_valkey
from tests.stack import ROOT
from tests.waiting import PATIENCE_S, until

MEMORY = 32_000_000


@contextlib.contextmanager
def running_valkey(folder, listen=None):
    """An embedded Valkey without hosts, its process, and a client of the dashboard.

    ``listen``: the address of its gate; None: hosts have none.
    """
    valkey = prepare_valkey(folder, "", MEMORY)
    client = redis.Redis.from_url(valkey.url)
    with contextlib.ExitStack() as ends:
        process = ends.enter_context(killed_at_the_end(valkey.argv()))
        if listen is not None:
            listener = ends.enter_context(socket.create_server(listen))
            gate = [sys.executable, "-m", "dashboard.server.valkey_gate", str(listener.fileno())]
            command = [*gate, str(valkey.socket)]
            ends.enter_context(killed_at_the_end(command, cwd=ROOT, pass_fds=[listener.fileno()]))
        until(lambda: answers(client), "Valkey answers")
        yield valkey, process, client


@contextlib.contextmanager
def killed_at_the_end(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def answers(client):
    with contextlib.suppress(redis.RedisError):
        return client.ping()
    return False
