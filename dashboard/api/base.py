"""Operations of the API: their declaration, and what their bodies, queries and answers share.

A subject has a module with an ``Operations`` and the schemas of its requests and answers. Times
are ISO 8601 in UTC; names of fields carry the unit.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from inspect import cleandoc
from operator import attrgetter
from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Router
from ninja.constants import NOT_SET
from ninja.operation import Operation
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model
from pydantic.json_schema import models_json_schema
from pydantic_core import PydanticCustomError, PydanticKnownError

from dashboard.api.auth import caller
from dashboard.api.errors import invalid
from dashboard.pages.shared.addresses import SCHEMA
from dashboard.text.queue_words import PRIORITIES
from jobs.base.numbers import DIGITS, number_from
from jobs.models import Deployment, Host, Job
from jobs.queries.sorting import Older, older_page, read_older

Json = dict[str, Any]
View = TypeVar("View", bound=Callable[..., Any])
Row = TypeVar("Row", bound=Model)

_REF = "#/components/schemas/{model}"
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_AS_BYTES = {"content": {"text/plain": _BYTES, "application/octet-stream": _BYTES}}
# Errors that each operation may end in.
_COMMON = (400, 401, 403, 404, 429)


# Answers


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
    about: str | None = None,
    *,
    then: Callable[[Any], Any] = lambda value: value,
) -> Any:
    """Return a field of an answer that is not the attribute of its name: ``read("host.name")``.

    ``source``: a path of attributes of the record, null where one of them is None or has no row,
    then passed through ``then``; or a function of the record. ``about``: for the document.
    """
    return Field(description=about, json_schema_extra=_From(source, then))


class Answer(BaseModel):
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
def _readers(model: type[Answer]) -> Mapping[str, Callable[[Any], Any]]:
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


class Problem(Answer):
    """Every error."""

    error: str = Field(description="a code for programs, such as missing or forbidden")
    message: str = Field(description="error and action as text")
    fields: dict[str, str] = Field(description="field → its error")


class Removal(Answer):
    """Time, reason and size of a removed log."""

    removed_at: Time
    why: str
    bytes: int
    log_bytes: int
    log_sha256: str


class Removed(Problem, Removal):
    """The error for what was removed."""


class Created(Answer):
    """A record of a person; null for a removed account."""

    created_by: str | None = read("created_by.username")
    created_at: Time


def listing(name: str, about: str, field: str, row: type[Answer], **more: Any) -> type[Answer]:
    """Return the answer of a list: its rows as ``field``, and the address of older ones."""
    older = Field(description="address of older rows; null at the end")
    fields: Any = {field: (list[row], ...), **more, "next": (str | None, older)}  # type: ignore[valid-type]
    return create_model(name, __base__=Answer, __doc__=about, **fields)


def page(request: HttpRequest, name: str, rows: list[Json], older: Older | str | None) -> Json:
    following = None
    if older:
        asked = request.GET.copy()
        asked["before"] = str(older)
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
JobId = Annotated[int, Field(ge=0, lt=10**DIGITS)]
Priority = Annotated[str, one_of(PRIORITIES)]
Confirm = Annotated[
    list[str] | None,
    Field(description="names of checks whose warnings are accepted, or all"),
]


class Page(BaseModel):
    """Query of one page of a list."""

    before: str = Field("", description="cursor of “next”: returns older rows")
    limit: Annotated[int, BeforeValidator(_limit)] = Field(
        50, ge=1, le=200, description="rows per page"
    )

    def cursor(self) -> Older | None:
        """Return the place where the page begins; None: at the newest row. Raises ``Refused``: it
        is no cursor."""
        older = read_older(self.before)
        if self.before and older is None:
            raise invalid("before", _("“before” is not a cursor of this API."))
        return older


def filtered_page(
    query: Page, rows: QuerySet[Row], fields: Mapping[str, str]
) -> tuple[list[Row], Older | None]:
    """Return one page of rows, newest first, and the place of older ones.

    ``fields``: a name of the query -> the column that it filters by. By keyset: see docs/decisions
    for the form of the condition.
    """
    given = query.model_dump()
    asked = {column: given[name] for name, column in fields.items() if given[name]}
    numbers = [column for column in asked if column.endswith("_id") and column != "model_id"]
    if any(number_from(asked[column]) is None for column in numbers):
        return [], None
    return older_page(rows.filter(**asked), query.cursor(), query.limit)


def host_of(name: str) -> Host:
    """Return the host that a body names. Raises ``Refused``: there is none of that name."""
    host = Host.objects.filter(name=name).first()
    if host is None:
        raise invalid("host", _("No host is named “%(name)s”.") % {"name": name})
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
        answer: type[Answer] | None,
        *errors: int,
        name: str,
        status: int = 200,
        include_in_schema: bool = True,
        shown: Json | None = None,
        document: Json | None = None,
    ) -> Callable[[View], View]:
        """Make a view an operation: ``@jobs.on("GET jobs", "job.view", Jobs, name="api-jobs")``.

        ``where``: method and rest of the path. ``right``: of the caller, one of
        ``dashboard.security.permissions``. ``answer``: None for bytes. ``errors``: its own, beside
        those of all. ``shown`` and ``document``: its answer and other parts in the words of
        OpenAPI. The docstring's first sentence is the title of the operation.
        """
        method, _space, path = where.partition(" ")
        responses = {status: shown or (_as_json(answer, status) if answer else _AS_BYTES)}
        for code in (*_COMMON, *errors):
            responses[code] = _as_json(Removed if code == HTTPStatus.GONE else Problem, code)

        def decorate(view: View) -> View:
            summary, about = re.split(r"(?<=\w)\.\s+", cleandoc(view.__doc__ or ""), maxsplit=1)

            def settle(operation: Operation) -> None:
                operation.response_models = {status: NOT_SET}

            view._ninja_contribute_to_operation = [settle]  # type: ignore[attr-defined]
            self.add_api_operation(
                self._at + path,
                [method],
                view,
                auth=caller(right),
                url_name=name,
                summary=summary,
                description=about,
                include_in_schema=include_in_schema,
                openapi_extra={"responses": responses, **(document or {})},
            )
            return view

        return decorate


_answered: set[type[BaseModel]] = {Problem, Removed}


def _as_json(model: type[BaseModel], code: int) -> Json:
    _answered.add(model)
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"description": HTTPStatus(code).phrase, "content": content}


def schemas() -> Json:
    """Return the schemas of all answers in the document, by name."""
    models = sorted(_answered, key=lambda model: model.__name__)
    _refs, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_REF
    )
    return dict(definitions["$defs"])
