"""Job types: their fields, with choices and defaults of a host as the launch form has them."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext
from ninja import Query
from pydantic import BaseModel

from dashboard.api import base
from dashboard.api.base import ApiAnswer, Asked, Json, Operations, about, read
from dashboard.pages.launch.launch_form import Field, make_form, raw_values, specs, typed_values
from dashboard.text.labels import kind_title
from jobs.base.numbers import number_from
from jobs.kinds import KINDS
from jobs.kinds.lib.base import FAMILIES, Kind, asset_fields
from jobs.schedule.targets import target_of

job_types = Operations("Job types", "job-types")


class JobType(ApiAnswer):
    """A job type."""

    name: str = about("“kind” of a job")
    title: str = read("name", then=kind_title)
    family: str = about(f"one of {', '.join(FAMILIES)}")
    good_for: str = read("good_for", then=gettext)


class FieldChoice(ApiAnswer):
    """A value that a field offers."""

    value: str
    label: str


class FieldAnswer(ApiAnswer):
    """A field of a job type on a host."""

    name: str
    label: str
    help: str
    group: str = about("heading in the form")
    unit: str
    asset: str | None = about(
        "the field takes the id of one: weights, artifact, deployment or dataset; a deployment "
        "also as endpoint:ID, and what an open job makes as job:ID"
    )
    default: Any
    limit: str = about("bounds with these values, such as ≤ 8; empty: none")
    choices: list[FieldChoice] | None = about("null: every value that params_schema allows")
    counts_when: dict[str, str] | None = about("only while this field has this value; null: always")
    missing: str | None = about("why there is no choice on this host; null: there is one")


class JobTypeAnswer(JobType):
    """A job type with its fields."""

    params_schema: dict[str, Any] = about("JSON Schema of “params”")
    host: str | None
    available: bool | None = about("on the host; null without a host")
    fields: list[FieldAnswer] | None = about("in the order of the form; null without a host")


class JobTypes(ApiAnswer):
    """All job types."""

    job_types: list[JobType]
    next: str | None


class JobTypeAsked(Asked):
    """Host whose choices are wanted. Any field of the job type may follow with its value, such as
    ``deployment=3``: the defaults and bounds of other fields are those with it."""

    host: str = ""


@job_types.on("GET ", "job.view", "api-job-types", JobTypes)
def list_job_types(request: HttpRequest) -> Json:
    """List job types. In the order of a pipeline."""
    return {"job_types": [JobType.of(kind) for kind in KINDS.values()], "next": None}


@job_types.on("GET /{slug:kind}", "job.view", "api-job-type", JobTypeAnswer, takes_any_query=True)
def read_job_type(request: HttpRequest, kind: str, query: Query[JobTypeAsked]) -> Json:
    """Read a job type. Its fields as JSON Schema; with ``host`` the choices, defaults and bounds
    there. Fields may be given as in the query of a form, such as ``deployment=3``."""
    if kind not in KINDS:
        raise base.missing()
    found = KINDS[kind]
    known = ["host", *found.Params.model_fields]
    if unknown := next((name for name in request.GET if name not in known), ""):
        raise base.unknown_name(unknown, known)
    about_host: Json = dict.fromkeys(("host", "available", "fields"))
    if query.host:
        target = target_of(base.host_of(query.host))
        form = make_form(found, target, typed_values(found, request.GET), {})
        about_host = {
            "host": target.name,
            "available": found.is_available(target),
            "fields": [
                _field(found, group.title, field) for group in form.groups for field in group.fields
            ],
        }
    return JobTypeAnswer.of(found, params_schema=found.Params.model_json_schema(), **about_host)


def _field(kind: Kind, group: str, field: Field) -> Json:
    offered = [FieldChoice.of(one) for one in field.options]
    return FieldAnswer.of(
        field,
        group=group,
        asset=asset_fields(kind.Params).get(field.name),
        default=_default(field, kind.Params),
        choices=offered if offered or field.is_asset else None,
        counts_when={field.when[0]: str(field.when[1])} if field.when else None,
        missing=field.missing.message if field.missing else None,
    )


def _default(field: Field, params: type[BaseModel]) -> Any:
    """Return the default as JSON has it: numbers as numbers."""
    spec = specs(params)[field.name]
    raw = raw_values([field._replace(value=field.default)], params)[field.name]
    if isinstance(raw, list):
        return [_typed(value, spec.get("items", {})) for value in raw]
    return _typed(raw, spec)


def _typed(value: Any, spec: Mapping[str, Any]) -> Any:
    if spec.get("type") == "integer" and isinstance(value, str):
        return number_from(value)
    if spec.get("type") == "number" and isinstance(value, str):
        return float(value) if value else None
    return value
