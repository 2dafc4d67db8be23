"""Every error of the API has one shape: ``{"error": code, "message": words, "fields": {…}}``.

``error`` is for programs, ``message`` for people in the language that they asked for. ``fields``
says of each field of the body, query or path that is at fault what is wrong with it.
"""

import logging
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import HttpError, Throttled, ValidationError

from dashboard.security.permissions import Denied, scope_of
from dashboard.server.json_errors import error
from dashboard.text.messages import message
from jobs.base.errors import DamagedLog, LaunchError
from jobs.base.validation_errors import message_of
from jobs.confined import NotDone
from jobs.launch.launch import InvalidParams
from jobs.schedule.queue import NotMoved, PassesOthers
from jobs.services.idempotency import OtherRequest

logger = logging.getLogger(__name__)


class Refused(Exception):
    """A request that the API refuses; ``answer`` is what its caller gets."""

    def __init__(self, answer: JsonResponse) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def missing() -> Refused:
    return Refused(error(404, "missing", _("Not found: no object has this name or number.")))


def conflict(code: str, message: str) -> Refused:
    return Refused(error(409, code, message))


def invalid(field: str, message: str) -> Refused:
    return Refused(error(400, "invalid", message, fields={field: message}))


def not_allowed(answer: HttpResponse) -> JsonResponse:
    methods = ", ".join(sorted(answer.headers["Allow"].split(", ")))
    text = _("Method not allowed. Use %(methods)s.") % {"methods": methods}
    refusal = error(405, "method", text)
    refusal.headers["Allow"] = methods
    return refusal


def handle_errors(api: NinjaAPI) -> None:
    handlers: Mapping[type[Exception], Any] = {
        Refused: lambda request, refused: refused.answer,
        Http404: lambda request, absent: missing().answer,
        ValidationError: _unreadable,
        HttpError: _of_ninja,
        LaunchError: _not_launched,
        PassesOthers: lambda request, refused: error(403, "forbidden", str(refused)),
        NotMoved: lambda request, refused: error(409, "not_moved", str(refused)),
        OtherRequest: lambda request, other: error(
            409,
            "other_request",
            _("This Idempotency-Key belongs to another request. Use a new key."),
        ),
        NotDone: lambda request, unread: error(
            503, unread.id, message(unread.message.id, unread.message.args)
        ),
        PermissionDenied: _denied,
        RequestDataTooBig: lambda request, too_big: error(413, "size", _("The body is too large.")),
        DamagedLog: _damaged,
        Exception: _broken,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)


def _denied(request: HttpRequest, denied: PermissionDenied) -> JsonResponse:
    if not (isinstance(denied, Denied) and denied.by_scope):
        return error(403, "forbidden", _("You have no permission to do this."))
    text = _(
        "The scope of this token, %(scope)s, does not allow this. Use a token with a wider scope."
    )
    return error(403, "scope", text % {"scope": scope_of(request.user).value})


def _unreadable(request: HttpRequest, validation: ValidationError) -> JsonResponse:
    """400: the first fault in words, and all of them by field."""
    fields: dict[str, str] = {}
    for item in validation.errors:
        source, *inner = item["loc"]
        # A body's fault names the view's argument first.
        path = [str(part) for part in (inner[1:] if source == "body" else inner)]
        is_number = item["type"] == "number"
        text = _("Enter a whole number.") if is_number else message_of(item)
        fields.setdefault(".".join(path), text)
    name, wrong = next(iter(fields.items()))
    first = validation.errors[0]
    if not name:
        problem = _("Send a JSON object.")
    elif first["type"] == "missing":
        problem = _("“%(field)s” is missing.") % {"field": name}
    else:
        problem = _("“%(field)s”: %(wrong)s") % {"field": name, "wrong": wrong}
    code = "number" if first["type"] == "number" else "invalid"
    return error(400, code, problem, fields={key: text for key, text in fields.items() if key})


def _of_ninja(request: HttpRequest, failure: HttpError) -> JsonResponse:
    """Return the response for errors of django-ninja itself: rate limit, invalid JSON."""
    if isinstance(failure.__cause__, Refused):
        return failure.__cause__.answer
    if isinstance(failure, Throttled):
        return error(429, "too_many", _("Too many requests. Try again later."))
    return error(failure.status_code, "invalid", _("Send a JSON object."))


def _not_launched(request: HttpRequest, refused: LaunchError) -> JsonResponse:
    fields = refused.fields if isinstance(refused, InvalidParams) else {refused.field: str(refused)}
    return error(422, "launch", str(refused), fields=fields)


def _damaged(request: HttpRequest, damaged: DamagedLog) -> JsonResponse:
    logger.error("%s", damaged)
    text = _("Log file %(name)s on the dashboard's disk is damaged.")
    return error(500, "damaged", text % damaged.args_for_people)


def _broken(request: HttpRequest, failure: Exception) -> JsonResponse:
    """Return the response for an internal error. The log has its traceback, a test raises it."""
    got_request_exception.send(sender=None, request=request)
    logger.error("%s %s failed", request.method, request.path, exc_info=failure)
    return error(500, "internal", _("Internal error. See the dashboard's log."))
