"""Shared parts of operations: errors, callers, declaration; bodies, queries and answers.

A subject has a module with an ``Operations`` and the schemas of its requests and answers. Times
are ISO 8601 in UTC; names of fields carry the unit.

Every error is ``{"error": code, "message": words, "fields": {…}}``: a code for programs, words for
people in their language, and the fault of each field of the body, query or path.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cache, wraps
from http import HTTPStatus
from inspect import cleandoc
from operator import attrgetter
from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signals import got_request_exception
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Router
from ninja.constants import NOT_SET
from ninja.errors import HttpError, Throttled, ValidationError
from ninja.operation import Operation
from ninja.params.models import QueryModel
from ninja.security.base import AuthBase
from ninja.utils import check_csrf
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
)
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError, PydanticKnownError

from dashboard.actions.action import OtherRequest
from dashboard.pages.shared.addresses import SCHEMA
from dashboard.security import login_throttle
from dashboard.security.counters import NoTurn, hashed
from dashboard.security.permissions import ACTIONS, Denied, check, scope_of
from dashboard.security.request import bearer
from dashboard.server.json_errors import error
from dashboard.text.messages import message
from dashboard.text.queue_words import PRIORITIES
from jobs.base.errors import DamagedLog, LaunchError
from jobs.base.numbers import DIGITS, number_from
from jobs.base.validation_errors import message_of
from jobs.confined import NotDone
from jobs.models import ApiToken, Deployment, Host, Job
from jobs.queries.sorting import MADE, NEWEST, read_cursor, sorted_page
from jobs.schedule.queue import NotMoved, PassesOthers

logger = logging.getLogger(__name__)

Json = dict[str, Any]
View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row", bound=Model)


# Errors


class Refused(Exception):
    """A request that the API refuses; ``answer`` is what its caller gets."""

    def __init__(self, answer: JsonResponse) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def missing() -> Refused:
    return Refused(error(404, "missing", _("Not found: no object has this name or number.")))


def forbidden(message: str) -> Refused:
    return Refused(error(403, "forbidden", message))


def conflict(code: str, message: str) -> Refused:
    return Refused(error(409, code, message))


def invalid(field: str, message: str, code: str = "invalid") -> Refused:
    return Refused(error(400, code, message, fields={field: message}))


def too_many(message: str, wait_s: int) -> Refused:
    return Refused(error(429, "too_many", message, headers={"Retry-After": str(wait_s)}))


def not_allowed(answer: HttpResponse) -> JsonResponse:
    methods = ", ".join(sorted(answer.headers["Allow"].split(", ")))
    text = _("Method not allowed. Use %(methods)s.") % {"methods": methods}
    return error(405, "method", text, headers={"Allow": methods})


def handle_errors(api: NinjaAPI) -> None:
    handlers: Mapping[type[Exception], Any] = {
        Refused: lambda request, refused: refused.answer,
        Http404: lambda request, absent: missing().answer,
        ValidationError: _unreadable,
        HttpError: _of_ninja,
        LaunchError: lambda request, refused: error(
            422, "launch", str(refused), fields=refused.fields
        ),
        PassesOthers: lambda request, refused: error(403, "forbidden", str(refused)),
        NotMoved: lambda request, refused: error(409, "not_moved", str(refused)),
        OtherRequest: lambda request, other: error(
            409,
            "other_request",
            _("This Idempotency-Key belongs to another request. Use a new key."),
        ),
        NoTurn: lambda request, refused: too_many(message(refused.message.id, {}), wait_s=5).answer,
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
        fields.setdefault(".".join(path), _wrong(item))
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


def _wrong(item: Mapping[str, Any]) -> str:
    if item["type"] == "number":
        return _("Enter a whole number.")
    if item["type"] == "extra_forbidden":
        return _("Unknown field. See the API reference for the fields of this request.")
    return message_of(item)


def _of_ninja(request: HttpRequest, failure: HttpError) -> JsonResponse:
    """Errors of django-ninja itself: rate limit, invalid JSON."""
    if isinstance(failure.__cause__, Refused):
        return failure.__cause__.answer
    if isinstance(failure, Throttled):
        return error(429, "too_many", _("Too many requests. Try again later."))
    return error(failure.status_code, "invalid", _("Send a JSON object."))


def _damaged(request: HttpRequest, damaged: DamagedLog) -> JsonResponse:
    logger.error("%s", damaged)
    text = _("Log file %(name)s on the dashboard's disk is damaged.")
    return error(500, "damaged", text % damaged.args_for_people)


def _broken(request: HttpRequest, failure: Exception) -> JsonResponse:
    """500. The log has its traceback, a test raises it."""
    got_request_exception.send(sender=None, request=request)
    logger.error("%s %s failed", request.method, request.path, exc_info=failure)
    return error(500, "internal", _("Internal error. See the dashboard's log."))


# Callers

_USED_EVERY = timedelta(minutes=1)


class _Way(AuthBase):
    """A way to authenticate a caller who may do ``action``."""

    def __init__(self, action: str) -> None:
        self.action = action
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        user = self.user(request)
        if user is not None:
            check(user, self.action)
        return user

    def user(self, request: HttpRequest) -> Any:
        """Return who calls; None: ask the next way. Raises ``Refused``."""
        raise NotImplementedError


class TokenAuth(_Way):
    """A caller who sends ``Authorization: Bearer TOKEN``."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def user(self, request: HttpRequest) -> Any:
        # Another scheme is a proxy's own affair, and comes with each request of its pages.
        if not request.headers.get("Authorization", "").lower().startswith("bearer"):
            return None
        if user := user_of_token(request):
            request.user = user
            return user
        # A known token is never kept waiting.
        address = request.META.get("REMOTE_ADDR", "")
        if wait_s := login_throttle.seconds_until_next_token(address):
            text = _("Too many unknown tokens from your address. Check your token, then try again.")
            raise too_many(text, wait_s)
        raise _unauthorized("token", _("Unknown or expired token."))


class SessionAuth(_Way):
    """A caller who has logged in to the pages. A change carries the CSRF token too."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_name = settings.SESSION_COOKIE_NAME

    def user(self, request: HttpRequest) -> Any:
        if check_csrf(request):
            raise Refused(error(403, "csrf", _("The CSRF token is missing or wrong.")))
        if not request.user.is_authenticated:
            raise _unauthorized("login", _("Send “Authorization: Bearer TOKEN”, or log in."))
        return request.user


def caller(action: str) -> list[AuthBase]:
    """Return ``auth=`` of an operation: a token or a session of a caller who may do ``action``."""
    if action not in ACTIONS:
        raise KeyError(action)
    return [TokenAuth(action), SessionAuth(action)]


def _unauthorized(code: str, text: str) -> Refused:
    return Refused(error(401, code, text, headers={"WWW-Authenticate": "Bearer"}))


def user_of_token(request: HttpRequest) -> Any:
    """The user whose API token the request carries; None: unknown, expired, or a closed account."""
    moment = now()
    rows = ApiToken.valid().select_related("user__account")
    row = rows.filter(token_sha256=hashed(bearer(request))).first()
    if row is None or not row.user.is_active:
        return None
    if row.last_used_at is None or moment - row.last_used_at > _USED_EVERY:
        ApiToken.objects.filter(pk=row.pk).update(last_used_at=moment)
    return row.caller(row.user)


_REF = "#/components/schemas/{model}"
_BYTES = {"schema": {"type": "string", "format": "binary"}}
# The first type is the one that generated clients read: text would change bytes.
_AS_BYTES = {"content": {"application/octet-stream": _BYTES, "text/plain": _BYTES}}
# Errors that each operation may end in.
_COMMON = (400, 401, 403, 404, 429)


# Answers


class Encoder(DjangoJSONEncoder):
    """Times with microseconds."""

    def default(self, value: Any) -> Any:
        return value.isoformat() if isinstance(value, datetime) else super().default(value)


def to_json(answer: Json) -> bytes:
    return json.dumps(answer, cls=Encoder).encode()


class _From:
    """Source of a field. pydantic calls it with the field's schema, which stays as it is."""

    def __init__(self, source: str | Callable[[Any], Any], then: Callable[[Any], Any]) -> None:
        self._source, self._then = source, then

    def __call__(self, schema: Json) -> None:
        pass

    def read(self, record: Any) -> Any:
        if not isinstance(self._source, str):
            return self._source(record)
        try:
            for name in self._source.split("."):
                record = None if record is None else getattr(record, name)
        except ObjectDoesNotExist:
            return None
        return None if record is None else self._then(record)


def read(
    source: str | Callable[[Any], Any],
    text: str | None = None,
    *,
    then: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """Return a field of an answer that is not the attribute of its name: ``read("host.name")``.
    ``source``: a path of attributes of the record, null where one of them is None or has no row,
    then passed through ``then``; or a function of the record. ``text``: for the document."""
    return Field(description=text, json_schema_extra=_From(source, then))


def about(text: str, default: Any = ...) -> Any:
    """Return a field with a description, required without a ``default``."""
    return Field(default, description=text)


class ApiAnswer(BaseModel):
    """Base of all responses. It makes the document; what is sent is not validated.

    Validators of all answers would lengthen every start, and a long list (docs/decisions).
    """

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def of(cls, record: Any, **known: Any) -> Json:
        """Return ``record`` as JSON: a field is in ``known``, or as :func:`read` says, or the
        attribute of its name."""
        return {
            name: known[name] if name in known else read(record)
            for name, read in _readers(cls).items()
        }


@cache
def _readers(model: type[ApiAnswer]) -> Mapping[str, Callable[[Any], Any]]:
    own = {name: field.json_schema_extra for name, field in model.model_fields.items()}
    return {
        name: extra.read if isinstance(extra, _From) else attrgetter(name)
        for name, extra in own.items()
    }


def one_of(names: Iterable[str]) -> WithJsonSchema:
    """Return the JSON schema of one of ``names``; the domain validates it and words the error."""
    return WithJsonSchema({"type": "string", "enum": [*names]})


Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
JobState = Annotated[str, one_of(Job.State.values)]
ServerState = Annotated[str, one_of(Deployment.State.values)]
# The number of a result, as pages and addresses have it.
ResultNumber = Annotated[str, WithJsonSchema(SCHEMA)]
# A whole number stays one in JSON.
Number = int | float


class Problem(ApiAnswer):
    """Every error."""

    error: str = about("a code for programs, such as missing or forbidden")
    message: str = about("error and action as text")
    fields: dict[str, str] = about("field → its error")


class Removal(ApiAnswer):
    """Time, reason and size of a removed log."""

    removed_at: Time
    why: str
    bytes: int
    log_bytes: int
    log_sha256: str


class Removed(Problem, Removal):
    """The error for what was removed."""


class Created(ApiAnswer):
    """A record of a person; null for a removed account."""

    created_by: str | None = read("created_by.username")
    created_at: Time


def listing(name: str, text: str, field: str, row: type[ApiAnswer]) -> type[ApiAnswer]:
    """Return the answer of a list: its rows as ``field``, and the address of older ones."""
    older = about("address of older rows; null at the end")
    fields: Any = {field: (list[row], ...), "next": (str | None, older)}  # type: ignore[valid-type]
    return create_model(name, __base__=ApiAnswer, __doc__=text, **fields)


def page(request: HttpRequest, name: str, rows: list[Json], older: str) -> Json:
    following = None
    if older:
        asked = request.GET.copy()
        asked["before"] = older
        path = f"{request.path}?{asked.urlencode()}"
        origin = settings.PUBLIC_ORIGIN
        following = f"{origin}{path}" if origin else request.build_absolute_uri(path)
    return {name: rows, "next": following}


# Requests


def _whole(value: Any) -> Any:
    """A whole number from a query; "" is the default's, None."""
    if value is None or isinstance(value, int):
        return value
    text = str(value)
    if text and number_from(text) is None:
        raise PydanticCustomError("number", "Enter a whole number.")
    return number_from(text)


def _limit(value: Any) -> int:
    number = number_from(str(value))
    if number is None:
        raise PydanticKnownError("int_parsing")
    return number


Offset = Annotated[
    int | None,
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 10**DIGITS - 1}),
]
# 1, true or yes; 0, false, no or empty.
Flag = Annotated[bool, BeforeValidator(lambda value: value or False)]
JobId = Annotated[int, Field(ge=0, lt=10**DIGITS)]
Priority = Annotated[str, one_of(PRIORITIES)]
Confirm = Annotated[list[str] | None, about("names of checks whose warnings are accepted, or all")]


class Asked(BaseModel):
    """Base of all requests: an unknown field is an error, as a misspelt one would be ignored."""

    model_config = ConfigDict(extra="forbid")


def choice(*names: str) -> Any:
    """Return the type of a text that is one of ``names``, or empty."""

    def check(value: str) -> str:
        if value and value not in names:
            raise PydanticKnownError("literal_error", {"expected": ", ".join(names)})
        return value

    return Annotated[str, AfterValidator(check), one_of(["", *names])]


def _known_host(name: str) -> str:
    if name and not Host.objects.filter(name=name).exists():
        raise PydanticCustomError("host", "{text}", {"text": _no_host(name)})
    return name


HostName = Annotated[str, AfterValidator(_known_host)]  # of a host that exists, or empty


def _no_host(name: str) -> str:
    return _("No host is named “%(name)s”.") % {"name": name}


class Page(Asked):
    """Query of one page of a list."""

    before: str = about("cursor of “next”: returns older rows", "")
    limit: Annotated[int, BeforeValidator(_limit)] = Field(
        50, ge=1, le=200, description="rows per page"
    )

    def cursor(self) -> str:
        """Return the end of the page before; "": the newest row. Raises ``Refused``: no cursor."""
        found = read_cursor(self.before, MADE)
        if self.before and (found is None or found.value is None):
            raise invalid("before", _("“before” is not a cursor of this API."))
        return self.before


def filtered_page(
    query: Page, rows: QuerySet[Row], fields: Mapping[str, str]
) -> tuple[list[Row], str]:
    """Return one page of rows, newest first, and the place of older ones. ``fields``: a name of the
    query → its column."""
    given = query.model_dump()
    asked = {column: given[name] for name, column in fields.items()}
    asked = {column: value for column, value in asked.items() if value not in ("", None)}
    return sorted_page(rows.filter(**asked), MADE, NEWEST, query.cursor(), query.limit)


def host_of(name: str) -> Host:
    """Return the host that a body names. Raises ``Refused``: there is none of that name."""
    host = Host.objects.filter(name=name).first()
    if host is None:
        raise invalid("host", _no_host(name))
    return host


# Operations


class Operations(Router):
    """The operations of a subject, which is their tag in the document, below ``at``."""

    def __init__(self, subject: str, at: str = "") -> None:
        super().__init__(tags=[subject])
        self._at = at

    def on(
        self,
        where: str,
        right: str,
        name: str,
        answer: type[ApiAnswer] | None,
        *statuses: int,
        takes_any_query: bool = False,
        shown: Json | None = None,
        document: Json | None = None,
    ) -> Callable[[View], View]:
        """Make a view an operation: ``@jobs.on("GET jobs", "job.view", "api-jobs", Jobs)``.

        ``where``: method and rest of the path. ``right``: of the caller, one of
        ``dashboard.security.permissions``. ``answer``: None for bytes. ``statuses``: its errors,
        beside those of all, and its success if that is not 200. ``takes_any_query``: the view
        checks the names of the query. ``shown`` and ``document``: its answer and other parts in the
        words of OpenAPI. The docstring's first sentence is the title of the operation. HEAD is
        answered as GET is.
        """
        method, _space, path = where.partition(" ")
        success = next((code for code in statuses if code < HTTPStatus.BAD_REQUEST), 200)
        responses = {success: shown or (_as_json(answer, success) if answer else _AS_BYTES)}
        for code in (*_COMMON, *statuses):
            if code != success:
                responses[code] = _as_json(Removed if code == HTTPStatus.GONE else Problem, code)

        def decorate(view: View) -> View:
            summary, rest = re.split(r"(?<=\w)\.\s+", cleandoc(view.__doc__ or ""), maxsplit=1)

            def settle(operation: Operation) -> None:
                operation.response_models = {success: NOT_SET}
                if not takes_any_query:
                    operation.view_func = _strict(operation)

            view._ninja_contribute_to_operation = [settle]  # type: ignore[attr-defined]
            self.add_api_operation(
                self._at + path,
                ["GET", "HEAD"] if method == "GET" else [method],
                view,
                auth=caller(right),
                url_name=name,
                summary=summary,
                description=rest,
                openapi_extra={"responses": responses, **(document or {})},
            )
            return view

        return decorate


def _strict(operation: Operation) -> Callable[..., Any]:
    """Return the view of an operation, which refuses unknown names of a query."""
    view: Any = operation.view_func
    queries: list[Any] = [one for one in operation.models if issubclass(one, QueryModel)]
    known = [name for one in queries for name in one.__ninja_flatten_map__]

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if unknown := next((name for name in request.GET if name not in known), ""):
            raise unknown_name(unknown, known)
        return view(request, *args, **kwargs)

    return checked


def unknown_name(name: str, known: Iterable[str]) -> Refused:
    """Return the error for a name of a query that an operation does not take."""
    names = ", ".join(known)
    text = _("Unknown. Known names: %(names)s.") if names else _("This address takes no query.")
    return invalid(name[:100], text % {"names": names})


_answered: set[type[BaseModel]] = {Problem, Removed}


def _as_json(model: type[BaseModel], code: int) -> Json:
    _answered.add(model)
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"description": HTTPStatus(code).phrase, "content": content}


def schemas() -> Json:
    models = sorted(_answered, key=lambda model: model.__name__)
    _refs, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_REF
    )
    return dict(definitions["$defs"])
