"""Begin a job: from the query, the page it comes from or the person's last job to a form."""

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from dashboard.pages.launch import front
from dashboard.pages.launch.front import ENGINE, MATRIX, PURPOSES, LaunchSubject
from dashboard.security.permissions import requires
from dashboard.security.request import person
from jobs.base.numbers import result_pk
from jobs.catalog import MODELS, STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, asset_fields, endpoint_number
from jobs.launch.matrices import AXES
from jobs.launch.pipelines import PIPELINES, Options
from jobs.models import Deployment, Endpoint, Host, Job, Result
from jobs.queries.hosts import dies
from jobs.schedule.targets import target_of

_OF_ENGINES, _OF_MODELS = ("speed", "accuracy"), ("serve", "prepare", "pipeline")
_QUESTIONS = ("for", "tool", "host", "near", "model", "deployment", "job", "result")


class Begun(NamedTuple):
    """Answers to the questions."""

    subject: LaunchSubject = LaunchSubject()
    purpose: str = ""
    tool: str = ""
    host: str = ""


@requires("job.launch", "GET")
def launch_start(request: HttpRequest) -> HttpResponse:
    """Lead to a form. The query answers questions: ``model`` or ``deployment``, ``for``, ``tool``
    (a kind, a pipeline, "matrix"), ``host`` (``near``: or one that is better prepared). ``job`` and
    ``result`` answer all of them. Fields of forms go along."""
    data, user = request.GET, person(request)
    tool = data.get("tool", data.get("kind"))
    if tool is not None and tool not in {*KINDS, *PIPELINES, MATRIX}:
        raise Http404(f"no tool is called {tool}")
    begun = _begun(data, user)
    purpose = str(data.get("for", ""))
    if purpose not in PURPOSES:
        purpose = _purpose_of(tool) if tool else ""
    if purpose in _OF_MODELS and data.get("model", "").startswith(ENGINE):
        purpose = _OF_ENGINES[0]  # chosen where only models make sense
    subject, host = begun.subject, str(data.get("host") or data.get("near") or begun.host)
    if not subject.engine and purpose not in _OF_MODELS:
        subject = _engine_of(subject.model, host) or subject
    if not purpose:
        purpose, tool = begun.purpose or _usual_purpose(subject), tool or begun.tool
    if purpose in _OF_MODELS:
        subject = LaunchSubject(subject.model)
    asked = Begun(subject, purpose, tool or "", host)
    address = _pipeline_address if purpose == "pipeline" else _form_address
    return redirect(address(asked, data, user))


def _purpose_of(tool: str) -> str:
    if tool == MATRIX:
        return "speed"
    return front.purpose_of(KINDS[tool]) if tool in KINDS else "pipeline"


def _usual_purpose(subject: LaunchSubject) -> str:
    if subject.engine:
        return "speed"
    return "pipeline" if front.pipelines_for(subject.model) else "prepare"


def _begun(data: QueryDict, user: AbstractBaseUser | None) -> Begun:
    """Return what the query names, else the person's last job, else the best engine or model."""
    host = str(data.get("host", ""))
    if "model" in data or "deployment" in data:
        subject = front.named_subject(data)
        return Begun(subject, host=subject.host)
    job = front.row_of(Job, str(data.get("job", "")))
    result = Result.objects.filter(pk=result_pk(str(data.get("result", ""))) or 0).first()
    if result is not None and result.job is None:
        return Begun(LaunchSubject(result.model_id))
    job = job or (result.job if result else None)
    if job is None and user is not None:
        own = Job.objects.filter(created_by_id=user.pk).order_by("-pk").defer("plan")
        job = own.select_related("host").first()
        job = job if job and host in ("", job.host.name) else None
    begun = _of_job(job) if job else Begun()
    return begun if begun.subject.is_known else Begun(_best(host), host=host)


def _of_job(job: Job) -> Begun:
    """Return the answers of a job: the engine that it used, or the one that it made, if it runs."""
    kind, used = KINDS.get(job.kind), job.inputs.get("deployment") or {}
    endpoint = Endpoint.objects.filter(pk=used.get("endpoint") or 0, archived_at=None).first()
    running = Deployment.objects.filter(state=Deployment.State.READY)
    made = running.filter(job=job).first()
    named = {"pk": used["id"]} if "id" in used else {"job": used.get("job") or 0}
    row = endpoint or made or running.filter(**named).first()
    subject = front.engine_subject(row) if row else LaunchSubject(job.model_id)
    if kind is None or made:
        return Begun(subject)
    return Begun(subject, front.purpose_of(kind), kind.name, job.host.name)


def _best(host: str) -> LaunchSubject:
    """Return what answers, on ``host`` if one is named, else a model that a host can run."""
    engines = map(front.engine_subject, front.engine_rows())
    if found := next((one for one in engines if host in ("", one.host)), None):
        return found
    hosts = [row for row in Host.objects.all() if host in ("", row.name)]
    cards = {bool(dies(row)) for row in hosts}
    suits = (
        (id, one) for id in MODELS for one in front.pipelines_for(id) if one.needs_dies in cards
    )
    return next(
        (LaunchSubject(id) for id, one in sorted(suits, key=lambda pair: not pair[1].needs_dies)),
        LaunchSubject(),
    )


def _engine_of(model: str, host: str) -> LaunchSubject | None:
    engines = [one for one in map(front.engine_subject, front.engine_rows()) if one.model == model]
    engines.sort(key=lambda one: one.host != host)
    return next(iter(engines), None) if model else None


def _pipeline_address(asked: Begun, data: QueryDict, user: AbstractBaseUser | None) -> str:
    """Return the form of a model's pipeline; of a model without one, that of another model."""
    has_dies = {row.name: bool(dies(row)) for row in Host.objects.all()}.get(asked.host)
    named = asked.subject.model
    if not front.pipelines_for(named):
        named = _best("").model or next(iter(MODELS))
    offered = front.pipelines_for(named)
    offered.sort(key=lambda one: (one.id != asked.tool, one.needs_dies != has_dies))
    choices = front.host_choices(offered[0].needs_dies, LaunchSubject(named), user)
    names = [one.host.name for one in choices if not one.is_blocked]
    query = {"host": asked.host if asked.host in names else next(iter(names), "")}
    query |= {name: str(data[name]) for name in ("stack", *offered[0].options) if data.get(name)}
    return _address("model-pipeline", query, named, offered[0].id)


def _form_address(asked: Begun, data: QueryDict, user: AbstractBaseUser | None) -> str:
    subject = asked.subject
    if asked.tool == MATRIX and asked.purpose == "speed":
        query = {"host": subject.host or asked.host, "deployment": subject.engine}
        query["model"] = "" if subject.engine else subject.model
        query |= {name: str(value) for name, value in data.items() if name not in _QUESTIONS}
        return _address("launch-matrix", query)
    kind, host = _kind_and_host(asked, data, user)
    query = {"host": host.name if host else ""}
    if "deployment" in kind.Params.model_fields and subject.engine:
        query["deployment"] = subject.engine
    elif host is None or front.can_take(kind, target_of(host), subject.model, "model"):
        query["model"] = subject.model
    is_here = host is not None and data.get("host") == host.name
    for name, type in asset_fields(kind.Params).items():
        value = str(data.get(name, ""))
        is_near = name != "deployment" and (is_here or endpoint_number(value))
        if is_near and _is_of(type, value, subject.model):
            query.setdefault(name, value)
    axes = AXES if "of" in data else ()  # several values in each
    query = {**dict(front.kept_of(data, axes)), **query}
    query["priority"] = str(data.get("priority", ""))
    return _address("launch-form", query, kind.name)


def _is_of(type: str, key: str, model: str) -> bool:
    """Return False for weights and artifacts of another model."""
    record = front.MADE.get(type)
    row = front.row_of(record, key) if record else None
    return record is None or (row is not None and row.model_id == model)


def _kind_and_host(
    asked: Begun, data: QueryDict, user: AbstractBaseUser | None
) -> tuple[Kind, Host | None]:
    """Return the first kind, the named one before others, that a host can run on the subject."""
    subject, tool = asked.subject, asked.tool
    suits = _kinds_of_pipelines(subject.model)

    def rank(kind: Kind) -> tuple[bool, int, bool, bool, bool]:
        usual = [*subject.usual, kind.name].index(kind.name)
        prepared = front.prepared(kind, subject.model)
        is_compiled = "artifact" in kind.Params.model_fields and bool(prepared)
        return (kind.name != tool, usual, not is_compiled, kind.name not in suits, not prepared)

    ranked = [kind for kind in KINDS.values() if kind.family in PURPOSES[asked.purpose].families]
    found: list[tuple[Kind, Host | None]] = []
    for kind in sorted(ranked, key=rank):
        choices = front.host_choices(kind.has_dies, subject, user, kind)
        open_here = [one for one in choices if one.host.name == asked.host and not one.is_blocked]
        if open_here and "near" in data and open_here[0].rank > choices[0].rank:
            open_here = []
        place = next(iter([*open_here, *choices]), None)
        found.append((kind, place.host if place else None))
        if place is None or (kind.name == tool and not subject.engine):
            break
        takes = not subject.engine or front.can_take(kind, target_of(place.host), subject.engine)
        if not place.is_blocked and takes:
            return found[-1]
    return found[0]


def _kinds_of_pipelines(model: str) -> set[str]:
    """Return kinds of all jobs from weights to a chat that the model has."""
    stack, options = next(iter(STACKS)), Options()
    ways = front.pipelines_for(model)
    return {job.kind for way in ways for job in way.jobs(MODELS[model], stack, options)}


def _address(view: str, query: Mapping[str, str], *args: str) -> str:
    given = urlencode({name: value for name, value in query.items() if value})
    return reverse(view, args=args) + (f"?{given}" if given else "")


urlpatterns: list[URLPattern] = [path("", launch_start, name="launch")]
