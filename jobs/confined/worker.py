"""Worker: a child process that runs one task after another, within limits.

It is forked from a server process that has Django and the readers imported, and no open
connection. Tasks come as pickles of this program; answers go back as JSON.
"""

import json
import logging
import os
import resource
import signal
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, get_type_hints

import django
from django.apps import apps
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from django.utils import translation
from django.utils.module_loading import import_string
from pydantic import TypeAdapter

from jobs.base import bounds
from jobs.base.errors import JobsError

logger = logging.getLogger(__name__)

# First byte of an answer; the second one tells whether the worker stays.
VALUE, ERROR, MEMORY, TOO_LONG, FAILED, NO_DATABASE = b"=", b"e", b"m", b"l", b"f", b"d"
STAYS, LEAVES = b"+", b"-"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """Limits of a worker: ``memory`` above that of a new one and ``answer`` in bytes, ``cpu_s`` and
    ``wall_s`` for each task, ``files`` open at once."""

    memory: int
    answer: int
    cpu_s: int
    wall_s: float
    files: int = 256


def load() -> None:
    """In the server process, so that each worker begins with what tasks need."""
    if not apps.ready:
        django.setup()
    for name in settings.CONFINED_MODULES:
        import_module(name)


def serve(connection: Connection, limits: WorkerLimits) -> None:
    """Answer tasks until the other end is gone, or more memory stays in use than an idle worker may
    have, or half of the addresses that are allowed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the web process ends it
    load()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)  # a task may use up all files
    begun, begun_own = _bytes(statm)
    os.nice(5)
    # Killed first when the machine runs out of memory.
    Path("/proc/self/oom_score_adj").write_text("500")
    for kind, most in (
        (resource.RLIMIT_AS, begun + limits.memory),
        (resource.RLIMIT_NOFILE, limits.files),
    ):
        resource.setrlimit(kind, (most, most))
    while True:
        try:
            name, args, language = connection.recv()
        except EOFError:
            return
        cpu_s = int(time.process_time()) + limits.cpu_s + 1
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, resource.RLIM_INFINITY))
        answer, content = answered(name, args, language, limits)
        for database in connections.all(initialized_only=True):
            if database.vendor != "sqlite":  # what SQLite has mapped serves the next task
                database.close()
        total, own = _bytes(statm)
        is_large = total - begun > limits.memory // 2 or own - begun_own > bounds.IDLE_READER_BYTES
        leaves = answer in (MEMORY, FAILED) or is_large
        try:
            connection.send_bytes(answer + (LEAVES if leaves else STAYS) + content)
        except OSError:
            return
        if leaves:
            return


def answered(
    name: str, args: tuple[Any, ...], language: str, limits: WorkerLimits
) -> tuple[bytes, bytes]:
    """Run a task; the kind of its answer, and its content as JSON."""
    try:
        function = import_string(name.replace(":", "."))
        with translation.override(language):
            value = function(*args)
        answer = TypeAdapter(get_type_hints(function)["return"]).dump_json(value)
        return (VALUE, answer) if len(answer) <= limits.answer else (TOO_LONG, b"")
    except MemoryError:
        return MEMORY, b""
    except JobsError as error:
        kind = type(error)
        state = {key: item for key, item in vars(error).items() if not key.startswith("__")}
        named = {"class": [kind.__module__, kind.__qualname__], "args": error.args, "state": state}
        return ERROR, json.dumps(named, default=str).encode()
    except (OperationalError, InterfaceError) as error:  # it may be back soon
        logger.error("%s: %s", name, error)
        return NO_DATABASE, b""
    except Exception as error:
        logger.exception("%s failed", name)
        return FAILED, type(error).__name__.encode()


def _bytes(statm: int) -> tuple[int, int]:
    """Return the addresses in use, and the memory without that of files."""
    total, resident, of_files, *_rest = map(int, os.pread(statm, 128, 0).split())
    page = resource.getpagesize()
    return total * page, (resident - of_files) * page
