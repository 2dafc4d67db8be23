"""All addresses of the dashboard, and names that their views read."""

import html
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from django.urls import Resolver404, URLPattern, get_resolver, resolve

from dashboard.api.app import document


def every_pattern(patterns: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from every_pattern(pattern.url_patterns, route)


PATTERNS = dict(every_pattern(get_resolver().url_patterns))
# Hosts have tests of their own; health is 503 without Redis; events of a job go on.
OF_PEOPLE = sorted(
    route
    for route, pattern in PATTERNS.items()
    if not route.startswith("api/v1/host/") and pattern.name not in ("health", "api-job-events")
)
ASKED = re.compile(r"""(?:GET|POST|data|form)(?:\.get|\.getlist)?[(\[]"([\w-]+)\"""")
# The id of a result in the path or the query of an address of an earlier version, without its mark.
OLD = re.compile(
    r"/results/\d|(?:compare|parity|missing|tables|result|comparison)/\?[^\"]*\b(?:id|base|group)=\d"
)
OF_THE_API = {
    parameter["name"]
    for operations in document()["paths"].values()
    for operation in operations.values()
    for parameter in operation.get("parameters", ())
    if parameter["in"] == "query"
}


def offered_in(texts: Iterable[str]) -> dict[str, str]:
    """Names of all views that the pages lead to, with the right that each asks for."""
    places = set().union(
        *(re.findall(r'(?:href|action|formaction|hx-post)="(/[^"?#]*)', text) for text in texts)
    )
    found = {}
    for place in places:  # hundreds, each on many pages
        with suppress(Resolver404):  # files
            view = resolve(html.unescape(place))
            found[view.view_name] = getattr(view.func, "rights_action", "health.view")
    return found


@cache
def names_asked_by(pattern: URLPattern, *, alone: bool = False) -> frozenset[str]:
    """Names that the view's file, or one next to it, reads from an address or a form."""
    view = inspect.unwrap(getattr(pattern.callback, "view_class", pattern.callback))
    file = Path(inspect.getsourcefile(view))
    if file.match("dashboard/api/*.py"):
        return frozenset(() if alone else OF_THE_API)  # all of them are read before one is refused
    files = [file] if alone else file.parent.glob("*.py")
    return frozenset(name for path in files for name in ASKED.findall(path.read_text()))


def filled(route: str, made: Mapping[str, Any]) -> str:
    """An address of the route with rows that exist where there are some."""
    numbers = {
        "job_id": made["benchmark"],
        "record_id": made["benchmark"],
        "deployment_id": made["deployment"],
        "result_id": made["speed"],
        "conversation_id": made["conversation"],
        "token_id": made["token"],
        "source_id": made["source"],
        "level_id": made["level"],
        "user_id": made["person"],
        "import_result_id": made.get("import"),
    }
    texts = {"chain_id": made["chain"], "name": "this-computer", "kind_name": "benchmark"}
    texts |= {"model_id": "deepseek-r1", "pipeline_id": "full", "table": "results"}
    texts["kind"] = texts["kind_name"]

    def value(match: re.Match[str]) -> str:
        kind, _colon, name = match[1].rpartition(":")
        if kind.startswith("uuid"):
            return str(made["chain"])
        value = str(numbers.get(name) or texts.get(name) or 1)
        return f"res-{value}" if kind in ("result", "typed_result") else value

    return "/" + re.sub(r"<([^>]+)>", value, route.replace("^(?!host/)", "unknown"))
