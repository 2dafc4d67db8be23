"""Ports and servers of this host."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from urllib.parse import urlsplit

from jobs.host.base.config import Config
from jobs.host.base.ports import is_free
from jobs.host.checks.found import Found, bad, good

TIMEOUT_S = 5.0


def port(config: Config, args: Mapping[str, str]) -> Found:
    """Nothing listens on ``port``."""
    number = int(args["port"])
    return good("port", port=number) if is_free(number) else bad("port_busy", port=number)


def endpoint(config: Config, args: Mapping[str, str]) -> Found:
    """The server at ``url`` answers, and serves ``model`` where one is named."""
    parts = urlsplit(args["url"])
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S
    )
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/v1/models")
        answer = connection.getresponse()
        said = answer.read(1_000_000)
    except (OSError, http.client.HTTPException) as error:
        return bad("endpoint_silent", url=args["url"], problem=str(error))
    finally:
        connection.close()
    if answer.status == 401:  # it has a key, and is there
        return good("endpoint", url=args["url"])
    if answer.status != 200:
        return bad("endpoint_silent", url=args["url"], problem=f"HTTP {answer.status}")
    model = args.get("model", "")
    if model and f'"{model}"'.encode() not in said:
        return bad("endpoint_model", url=args["url"], model=model)
    return good("endpoint", url=args["url"])
