"""The API of people and scripts: one django-ninja application, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, JsonResponse
from django.urls import URLPattern, reverse
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI, Router, Status
from ninja.operation import Operation, PathView

from dashboard.api import (
    audit,
    endpoints,
    logs,
    matrices,
    me,
    pins,
    pipelines,
    probes,
    queue,
    reports,
    rest,
    secrets,
    sources,
)
from dashboard.api.answers import schemas
from dashboard.api.auth import caller
from dashboard.api.errors import handle_errors, not_allowed
from dashboard.api.requests import JsonBody
from dashboard.api.results import fleet, imports, organise, parity, saved_views
from dashboard.api.results import questions as result_questions
from dashboard.api.sets import prompts, questions

DESCRIPTION = """\
Send `Authorization: Bearer TOKEN`. Make a token on the page *API tokens*, or with
`manage.py create_token NAME`.

Lists are newest first; `next` is the address of what is older, null at the end.
A result is numbered `res-15`, in paths, queries, bodies and answers. Plain numbers are of jobs and
other objects.
Every error is `{"error": code, "message": words, "fields": {field: what is wrong}}`.
"""


class Api(NinjaAPI):
    """An operation is called by its function's name."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """For programs that are made from the document."""
        return operation.view_func.__name__


api = Api(
    title="VACC dashboard",
    version="1",
    description=DESCRIPTION,
    openapi_url=None,  # below, for those who may see it
    docs_url=None,
    parser=JsonBody(),
)
about = Router()


@about.get(
    "openapi.json", auth=caller("docs.view"), include_in_schema=False, url_name="api-openapi"
)
def openapi(request: HttpRequest) -> JsonResponse:
    """The OpenAPI document of all that is here."""
    return JsonResponse(document())


@cache
def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document."""
    schema = dict(api.get_openapi_schema(path_prefix=reverse("api-root")))
    schema["components"]["schemas"].update(schemas())
    return schema


def as_json(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
    """``view``, whose answer is sent as it is.

    Validated on its way out, a long list took a fifth longer, and a record of years ago that is not
    quite as its model says would be a 500. The tests hold what is answered against the document.
    """

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> HttpResponseBase:
        result = view(*args, **kwargs)
        if isinstance(result, HttpResponseBase):
            return result
        if isinstance(result, Status):
            return JsonResponse(result.value, status=result.status_code)
        return JsonResponse(result)

    return answer


_modules = (
    *(rest, imports, organise, saved_views, result_questions, fleet, parity, queue),
    *(logs, pins, pipelines, probes, matrices, questions, reports, endpoints, prompts),
    *(secrets, sources, audit, me),
)
for _router in (about, *(module.router for module in _modules)):
    api.add_router("", _router)
handle_errors(api)
api.add_decorator(as_json)


def patterns() -> list[URLPattern]:
    """Addresses of all operations, each with a name of its own and no namespace."""
    routes = []
    for router in api._get_bound_routers():
        views = [view for view in router.path_operations.values() for _one in view.operations]
        for pattern, view in zip(router.urls_paths(router.prefix), views, strict=True):
            pattern.callback = _answering(pattern.callback, view)
            routes.append(pattern)
    return routes


def _answering(callback: Callable[..., HttpResponseBase], view: PathView) -> Any:
    """django-ninja's view of one address, which refuses a wrong method in our words.

    ``rights_actions``: what each of its operations asks for, for the test of all views.
    """

    @wraps(callback)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = callback(request, *args, **kwargs)
        return not_allowed(response) if isinstance(response, HttpResponseNotAllowed) else response

    actions = [cast(Any, way).action for one in view.operations for way in one.auth_callbacks]
    answer.rights_actions = actions  # type: ignore[attr-defined]
    return csrf_exempt(login_not_required(answer))
