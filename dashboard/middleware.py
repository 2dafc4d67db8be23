"""Middleware of our own."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import MediaType
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.text import compress_string
from django.utils.translation import gettext as _

from dashboard.security import audit_log
from dashboard.server.around import GetResponse, around
from dashboard.server.json_errors import error

logger = logging.getLogger(__name__)

ZONE_COOKIE = "tz"  # set by static/js/app.js

COMPRESSED_TYPES = ("text/html", "application/json", "text/javascript", "text/css", "text/plain")
COMPRESSED_BYTES = 1000  # smaller ones fit into one packet
RANDOM_BYTES = 100

FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def viewer_time_zone(get_response: GetResponse) -> GetResponse:
    """Show times in the viewer's zone, as their browser names it; else in ``TIME_ZONE``."""

    def activate(request: HttpRequest) -> None:
        try:
            timezone.activate(ZoneInfo(request.COOKIES[ZONE_COOKIE]))
        except (KeyError, ValueError, OSError):  # none, unknown, malformed, or a folder's name
            timezone.deactivate()

    return around(get_response, activate)


def private_pages(get_response: GetResponse) -> GetResponse:
    """Let nobody store an answer that says nothing else: pages show what a login may see."""

    def mark(response: HttpResponseBase) -> None:
        response.headers.setdefault("Cache-Control", "private, no-store")

    return around(get_response, after=mark)


def compressed(get_response: GetResponse) -> GetResponse:
    """Compress whole texts with gzip; no stream and no file, which has ranges."""
    return around(get_response, is_meant=_is_compressible, replace=_compressed)


def _is_compressible(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse)
        and response.get("Content-Type", "").partition(";")[0] in COMPRESSED_TYPES
        and not response.has_header("Content-Encoding")
        and not response.has_header("Accept-Ranges")
        and len(response.content) >= COMPRESSED_BYTES
    )


def _compressed(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    patch_vary_headers(response, ("Accept-Encoding",))
    named = map(MediaType, request.headers.get("Accept-Encoding", "").split(","))
    if any(one.main_type == "gzip" and one.quality for one in named):
        # A random length hides what a stranger learns from the size of an answer (BREACH).
        response.content = compress_string(response.content, max_random_bytes=RANDOM_BYTES)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.content))
    return response


def audit_origin(get_response: GetResponse) -> GetResponse:
    """Record the address of the request with what it changes; record downloads and refusals."""

    def from_its_address(request: HttpRequest) -> AbstractContextManager[None]:
        return audit_log.origin(request.META.get("REMOTE_ADDR", ""))

    return around(get_response, is_meant=_is_evidence, replace=_recorded, inside=from_its_address)


def _is_evidence(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Return True for a download, a missing permission, and an unknown key or token."""
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        return request.headers.get("Authorization", "").lower().startswith("bearer ")
    if response.status_code == HTTPStatus.FORBIDDEN:
        return not _is_for_hosts(request)  # a host's own protocol has it, too
    is_file = response.get("Content-Disposition", "").startswith("attachment")
    return is_file and response.status_code < HTTPStatus.BAD_REQUEST and request.method != "HEAD"


def _is_for_hosts(request: HttpRequest) -> bool:
    return request.resolver_match is not None and hasattr(request.resolver_match.func, "for_hosts")


def _recorded(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Record an answer that :func:`_is_evidence`; in the log if the database cannot be written."""
    user: Any = None
    action, subject, detail = "access.refused", request.path, dict[str, str]()
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        detail = {"did": "host" if _is_for_hosts(request) else "token", "key": "unknown"}
    elif response.status_code == HTTPStatus.FORBIDDEN:
        user, subject = request.user, f"{request.method} {request.path}"
    else:
        user, action = request.user, "data.export"
        detail = {"query": request.META["QUERY_STRING"][:200]}
    try:
        audit_log.record_often(user, action, subject, **detail)
    except DatabaseError:
        entry = (action, subject, detail, user, audit_log.current_origin())
        logger.exception("not recorded: %s %r %s by %s at %s", *entry)
    return response


def no_zero_bytes(get_response: GetResponse) -> GetResponse:
    """Answer 400 to a zero byte in path, query, cookies or form: PostgreSQL takes none in a text.
    Stands before everything that asks the database. JSON is its readers' own affair."""
    return around(
        get_response, lambda request: _unreadable(request) if _has_zero_byte(request) else None
    )


def _has_zero_byte(request: HttpRequest) -> bool:
    texts = [request.path_info, *request.COOKIES.values()]
    if "charset" in (request.content_params or {}):
        request.encoding = "utf-8"  # forms have no other; Django fails at codecs such as "hex"
    # The API reads a body once, as JSON, whatever its type says.
    is_form = request.content_type in FORM_TYPES and not request.path_info.startswith("/api/")
    for query in (request.GET, request.POST) if is_form else (request.GET,):
        texts += chain.from_iterable((name, *values) for name, values in query.lists())
    return any("\0" in text for text in texts)


def _unreadable(request: HttpRequest) -> HttpResponse:
    if request.path_info.startswith("/api/"):
        text = _("The request contains a zero byte (U+0000). Remove the zero byte and send again.")
        return error(HTTPStatus.BAD_REQUEST, "invalid", text)
    return HttpResponse(render_to_string("errors/nul.html"), status=HTTPStatus.BAD_REQUEST)


class LoginRequired(LoginRequiredMiddleware):
    """Django's own, but a view for everyone costs no look-up of who asks.

    ``/healthz`` must answer while the database does not.
    """

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., Any],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> Any:
        if not getattr(view_func, "login_required", True):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)
