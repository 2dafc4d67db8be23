"""Rows that addresses name, results by number such as "res-15", addresses of earlier versions.

Importing it registers both path converters: ``result`` for pages, ``typed_result`` for the API,
which says what is wrong.
"""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar
from urllib.parse import quote

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, register_converter, reverse
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dashboard.security.permissions import requires
from dashboard.text.messages import message
from jobs.base.numbers import RESULT_PATTERN, number_from, result_number
from jobs.models import Import
from jobs.queries.results.results import NotNumbered, pk_of

View = Callable[..., HttpResponseBase]
P = ParamSpec("P")
T = TypeVar("T")


def or_404(read: Callable[P, T | None], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``read`` finds. Raises ``Http404``: nothing, or its row does not exist."""
    try:
        found = read(*args, **kwargs)
    except ObjectDoesNotExist as error:
        raise Http404(str(error)) from error
    if found is None:
        raise Http404(str(args))
    return found


class ResultPath:
    """The id of a result in the path of a page; other texts are other addresses."""

    regex = RESULT_PATTERN

    def to_python(self, text: str) -> int:
        return pk_of(text)

    def to_url(self, pk: int) -> str:
        return result_number(int(pk))


class TypedResultPath(ResultPath):
    """Any text in place of a result's number: an operation of the API answers with its error."""

    regex = "[^/]+"

    def to_python(self, text: str) -> Any:
        return text


def _read(value: Any) -> int:
    try:
        return pk_of(str(value))
    except NotNumbered as error:
        text = message(error.reason.id, error.reason.args)
        raise PydanticCustomError("result_number", "{text}", {"text": text}) from None


SCHEMA = {"type": "string", "pattern": f"^{RESULT_PATTERN}$"}
# The number of a result in a request, its id in Python.
ResultId = Annotated[int, BeforeValidator(_read), WithJsonSchema(SCHEMA)]

register_converter(ResultPath, "result")
register_converter(TypedResultPath, "typed_result")


def with_old_queries(*names: str) -> Callable[[View], View]:
    """Return a decorator: a GET whose parameters ``names`` are bare ids of results leads to the
    address with their numbers. With any other text among them the view says what is wrong."""

    def decorator(view: View) -> View:
        @wraps(view)
        def read(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            query = request.GET.copy()
            given = [text for name in names for text in query.getlist(name) if text.strip()]
            if request.method not in ("GET", "HEAD") or not given or not all(map(_renamed, given)):
                return view(request, *args, **kwargs)
            for name in names:
                query.setlist(name, [_renamed(text) for text in query.getlist(name)])
            return HttpResponsePermanentRedirect(f"{request.path}?{query.urlencode(safe=',/')}")

        return read

    return decorator


def _renamed(text: str) -> str:
    """Return "res-11,res-12" for "11,12"; "" for other text."""
    pks = [number_from(part.strip()) for part in text.split(",") if part.strip()]
    return ",".join(result_number(pk) for pk in pks if pk) if pks and all(pks) else ""


@requires("result.view", "GET", "HEAD")
def old_address(request: HttpRequest, pk: int, rest: str) -> HttpResponsePermanentRedirect:
    """Lead from ``/results/15/…`` to ``/results/res-15/…``."""
    query = request.META.get("QUERY_STRING", "")
    address = f"{reverse('result-list')}{result_number(pk)}/{quote(rest)}"
    return HttpResponsePermanentRedirect(f"{address}?{query}" if query else address)


@requires("result.view", "GET", "HEAD")
def old_import(request: HttpRequest, import_id: int, rest: str) -> HttpResponseBase:
    """Lead from ``/results/imports/3/…`` to ``/results/res-15/…``."""
    row = get_object_or_404(Import, pk=import_id)  # by its own key: any number is compared there
    return old_address(request, row.result.pk, rest)


urlpatterns: list[URLPattern] = [
    path("imports/<int:import_id>/<path:rest>", old_import, name="result-old-import"),
    path("<int:pk>/", old_address, {"rest": ""}, name="result-old"),
    path("<int:pk>/<path:rest>", old_address, name="result-old-part"),
]
