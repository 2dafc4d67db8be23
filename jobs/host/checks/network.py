"""Ports and servers of this host."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.host.base import engine_http
from jobs.host.base.config import Config
from jobs.host.base.ports import is_free, listener
from jobs.host.checks.results import CheckResult, bad, good

TIMEOUT_S = 10.0  # of a whole answer
LONGEST = 4 * 1024 * 1024  # bytes of a list of models


def port(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Nothing listens on ``port``."""
    number = int(args["port"])
    if is_free(number):
        return good("port", port=number)
    holder = listener(number)
    return bad("port_held", port=number, holder=holder) if holder else bad("port_busy", port=number)


def endpoint(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The server at ``url`` answers, and serves ``model`` where one is named."""
    models = f"{args['url'].rstrip('/')}/v1/models"
    try:
        status, content = engine_http.get(models, within_s=TIMEOUT_S, longest=LONGEST)
    except (OSError, ValueError) as error:
        return bad("endpoint_silent", url=args["url"], problem=str(error))
    if status == 401:  # it has a key, and is there
        return good("endpoint", url=args["url"])
    if 300 <= status < 400:
        problem = f"HTTP {status}, a redirect, which is not followed"
        return bad("endpoint_silent", url=args["url"], problem=problem)
    if status != 200:
        return bad("endpoint_silent", url=args["url"], problem=f"HTTP {status}")
    model = args.get("model", "")
    if model and f'"{model}"'.encode() not in content:
        return bad("endpoint_model", url=args["url"], model=model)
    return good("endpoint", url=args["url"])
