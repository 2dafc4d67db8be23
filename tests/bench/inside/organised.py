"""Time of the pages of :mod:`tests.bench.inside.organised_data`.

Order: a ``Sizes``, on a database that is empty. It says the parts of the addresses. Then each line
is an address, and the answer ``{"ms", "cpu_ms", "queries", "status", "bytes"}``: everything that
Django does for the page, for a user who is logged in, and the processor time of it.
"""

import json
import sys
import time
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.bench.inside.lists import PLAIN_STATIC
from tests.bench.inside.organised_data import Sizes, fill
from tests.factories import make_user


def asked(client: Client, address: str) -> dict[str, Any]:
    """Return what a page costs. The process forgets the counts that it knows."""
    caches["process"].clear()
    cpu, began = time.process_time(), time.perf_counter()
    answer = client.get(address)
    ms, cpu_ms = (time.perf_counter() - began) * 1000, (time.process_time() - cpu) * 1000
    caches["process"].clear()
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    figures = {"ms": ms, "cpu_ms": cpu_ms, "queries": len(captured)}
    return figures | {"status": answer.status_code, "bytes": len(answer.content)}


def main() -> None:
    """Fill, then answer until standard input is closed."""
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
    known = fill(Sizes(**json.loads(sys.stdin.readline())))
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(make_user("admin", role="admin"))
    print(json.dumps(known), flush=True)
    for line in sys.stdin:
        print(json.dumps(asked(client, line.strip())), flush=True)


if __name__ == "__main__":
    main()
