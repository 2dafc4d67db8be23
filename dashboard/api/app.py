"""The API of people and scripts: addresses below ``/api/v1/``, OpenAPI document, reference page."""

import hashlib
import json
from collections.abc import Callable
from functools import cache, wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import ninja
from django.contrib.auth.decorators import login_not_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    JsonResponse,
)
from django.shortcuts import render
from django.urls import URLPattern, include, path, re_path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from ninja import NinjaAPI
from ninja.operation import Operation, PathView
from ninja.parser import Parser

from dashboard.api import (
    administration,
    answers,
    chat,
    chat_shares,
    comparisons,
    events,
    files,
    gates,
    gateway,
    host_changes,
    job_types,
    jobs,
    levels,
    logs,
    matrices,
    models,
    organise,
    people,
    presets,
    reports,
    results,
    search,
    serving,
    sets,
)
from dashboard.api.base import (
    ApiAnswer,
    Encoder,
    Json,
    Operations,
    Refused,
    caller,
    handle_errors,
    not_allowed,
    read,
    schemas,
)
from dashboard.api.examples import add_examples
from dashboard.intake import ingest
from dashboard.security.permissions import requires, scope_of
from dashboard.server.downloads import unmet
from dashboard.server.json_errors import error
from jobs.access.accounts import role_of
from jobs.base.sanitize import sanitize
from jobs.models import Account, ApiToken

DESCRIPTION = """\
Send `Authorization: Bearer TOKEN`. Make a token on the page *API tokens*, or with
`manage.py create_token NAME`.

Lists are newest first; `next` is the address of what is older, null at the end.
A result is numbered `res-15`, in paths, queries, bodies and answers. Plain numbers are of jobs and
other objects.
Every error is `{"error": code, "message": words, "fields": {field: what is wrong}}`. An unknown
name of a query or a body is one. Worked calls are in the guide, on the page *API*.
"""
# Swagger UI, from the installed package, so that nothing is fetched from elsewhere.
_SWAGGER = Path(ninja.__file__).parent / "static/ninja"
_TYPES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
_FOR_GOOD_S = 365 * 86400


class JsonBody(Parser):
    """Parser of JSON bodies that refuses values that the database cannot store."""

    def parse_body(self, request: HttpRequest) -> Json:
        body = json.loads(request.body)
        if sanitize(body) != body:
            text = _("Invalid value: remove zero bytes, unpaired surrogates and NaN.")
            raise Refused(error(400, "invalid", text))
        return cast(Json, body)


class Api(NinjaAPI):
    """Operations are called by their functions' names, and answers are sent as they are."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """For programs that are made from the document."""
        return operation.view_func.__name__

    def create_response(
        self,
        request: HttpRequest,
        data: Any,
        *,
        status: int | None = None,
        temporal_response: HttpResponse | None = None,
    ) -> HttpResponse:
        """Return an answer. Its schema is not asked: a record of years ago would be a 500."""
        if temporal_response is not None:
            status = temporal_response.status_code
        return JsonResponse(data, encoder=Encoder, status=status)


api = Api(
    title="VACC dashboard",
    version="1",
    description=DESCRIPTION,
    openapi_url=None,  # below, for those who may see it
    docs_url=None,
    parser=JsonBody(),
)
account = Operations("Account")


class Me(ApiAnswer):
    """The caller: what a token may do is what both its user's role and its scope allow."""

    name: str = read("username")
    role: Account.Role = read(role_of)
    scope: ApiToken.Scope = read(scope_of)


@account.on("GET me", "account.view", "api-me", Me)
def read_me(request: HttpRequest) -> Json:
    """Read the caller. Name and role of the caller, and the scope of its token; a session has the
    scope admin."""
    return Me.of(request.user)


@account.get(
    "openapi.json", auth=caller("docs.view"), include_in_schema=False, url_name="api-openapi"
)
def openapi(request: HttpRequest) -> JsonResponse:
    return JsonResponse(document())


@cache
def document() -> Json:
    schema = dict(api.get_openapi_schema(path_prefix=reverse("api-root")))
    schema["components"]["schemas"].update(schemas())
    for ways in schema["paths"].values():
        ways.pop("head", None)  # as GET
    add_examples(schema)
    return schema


for _router in (
    *(account, jobs.jobs, jobs.job, jobs.queue, jobs.queued, jobs.pipelines),
    *(serving.deployments, serving.deployment, host_changes.hosts, organise.tags, organise.notes),
    *(organise.sign_offs, organise.baseline, organise.views, results.results, results.questions),
    *(results.imports_, results.one_import, reports.parity, logs.operations, jobs.probes),
    *(matrices.every, matrices.one, sets.data_sets, reports.reports, serving.endpoints_),
    *(serving.endpoint, sets.prompts, administration.secrets_, administration.sources_),
    *(models.models, models.drafts_, models.files, models.pipelines, levels.levels),
    *(job_types.job_types, files.files, events.events),
    *(chat.chats, chat.chat, chat.turns_, chat_shares.shares, chat_shares.of_chat),
    *(chat_shares.imports, presets.presets),
    gates.gates,
    *(comparisons.comparison, comparisons.history_, comparisons.tradeoffs, answers.answers),
    *(people.tokens, people.people, people.storage, gateway.gateway, search.search_),
    administration.audit_log,
):
    api.add_router("", _router)
handle_errors(api)


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
    ``rights_actions``: the right of each operation, which the test of all views reads."""

    @wraps(callback)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = callback(request, *args, **kwargs)
        if isinstance(response, HttpResponseNotAllowed):
            return not_allowed(response)
        return _unless_known(request, response)

    actions = [cast(Any, way).action for one in view.operations for way in one.auth_callbacks]
    answer.rights_actions = actions  # type: ignore[attr-defined]
    return csrf_exempt(login_not_required(answer))


def _unless_known(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Give a JSON answer an ETag; 304 for a caller who has it. Files have ETags of their own."""
    if (
        request.method not in ("GET", "HEAD")
        or not isinstance(response, JsonResponse)
        or response.status_code != HTTPStatus.OK
        or "no-store" in response.get("Cache-Control", "")
    ):
        return response
    etag = f'"{hashlib.sha256(response.content).hexdigest()}"'
    status = unmet(request, etag)
    answer = response if status is None else HttpResponse(status=status)
    answer.headers["ETag"] = f"W/{etag}"  # it may be compressed
    return answer


@require_GET
@requires("docs.view")
def reference(request: HttpRequest) -> HttpResponse:
    return render(request, "docs/api.html", {"version": ninja.__version__})


@require_GET
@requires("docs.view")
@cache_control(max_age=_FOR_GOOD_S, private=True, immutable=True)
def reference_file(request: HttpRequest, version: str, name: str) -> HttpResponseBase:
    """A file of Swagger UI. Its address has the version, so that a browser keeps it."""
    if name not in _TYPES or version != ninja.__version__:
        raise Http404(name)
    content = (_SWAGGER / name).read_bytes()
    return HttpResponse(content, content_type=f"{_TYPES[name]}; charset=utf-8")


@csrf_exempt
@login_not_required
def unknown(request: HttpRequest) -> HttpResponseBase:
    """Any address below the API that it does not have."""
    try:
        any(way(request) for way in caller("overview.view"))
    except Refused as refused:
        return refused.answer
    text = _("The API has no path %(path)s.") % {"path": request.path[:200]}
    return error(404, "path", text)


unknown.rights_actions = ["overview.view"]  # type: ignore[attr-defined]  # for the test of all views

urlpatterns = [
    path("host/", include(ingest.urlpatterns)),
    path("", reference, name="api-root"),
    path("reference/<str:version>/<str:name>", reference_file, name="api-reference-file"),
    *patterns(),
    # Last. A host reads no words: below host/ it gets a bare 404.
    re_path(r"^(?!host/)", unknown, name="api-unknown"),
]
