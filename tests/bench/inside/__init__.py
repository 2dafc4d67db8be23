"""Code for a process with Django set up: functions that
:meth:`tests.stack.Stack.call` calls, and programs that :func:`programs.program` starts."""

import json
import sys
import time
from typing import Any

import django
from django.conf import settings
from django.core.cache import caches
from django.http import QueryDict
from django.test import Client

django.setup()

PLAIN_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"


def client_of(user: Any) -> Client:
    """Return a client that is logged in, on a dashboard without collected static files."""
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(user)
    return client


def serve_pages(known: dict[str, Any], user: Any, *, forgets: bool) -> None:
    """Say what is known, then answer until standard input is closed.

    Each line is an address, or "POST" and one whose query is sent as a form. The answer is
    ``{"ms", "cpu_ms", "rows", "status"}``: everything that Django does for the page, from the
    middleware to the last template. ``forgets``: the process forgets before each page the counts
    that it knows.
    """
    client = client_of(user)
    print(json.dumps(known), flush=True)
    for line in sys.stdin:
        if forgets:
            caches["process"].clear()
        cpu, began = time.process_time(), time.perf_counter()
        verb, _, address = line.strip().rpartition(" ")
        path, _, query = address.partition("?")
        answer = client.post(path, QueryDict(query).dict()) if verb else client.get(address)
        ms, cpu_ms = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
        figures = {"ms": ms, "cpu_ms": cpu_ms, "rows": answer.content.count(b"data-step")}
        print(json.dumps(figures | {"status": answer.status_code}), flush=True)
