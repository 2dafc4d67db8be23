"""Launch form of a job: fields of its kind, command, checks, and launch."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch import front, parts
from dashboard.pages.launch import launch_form as forms
from dashboard.pages.launch.front import LaunchSubject
from dashboard.security.audit_log import record_often
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from dashboard.text.formatting import since
from dashboard.text.labels import host_title
from jobs import statistics
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.catalog.presets import EVALUATION_PRESETS
from jobs.kinds import KINDS
from jobs.kinds.evaluate import goal_choices
from jobs.kinds.lib import evaluations
from jobs.kinds.lib.base import Kind, Target, asset_fields, promised_job
from jobs.launch.launch import InvalidParams, LaunchPreview, ask_checks, draft_of, preview, settled
from jobs.models import Host, Job, Preflight
from jobs.plans import Plan, from_json
from jobs.queries.hosts import is_away, lacks_room
from jobs.queries.jobs import durations as queries
from jobs.schedule.forecast import Forecast, forecast_draft
from jobs.schedule.targets import target_of
from jobs.statistics.paired import BOUNDARY, Goal, Z


@requires("job.launch", "GET", "HEAD", "POST")
def launch_form(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Show the form, filled from the URL; POST launches it and redirects to the job."""
    kind = _kind(kind_name)
    if request.method != "POST":
        return _page(request, kind, _context(request, kind, request.GET))
    host = _host(kind, request.POST, person(request))
    if host is None:
        return redirect("launch-form", kind_name)
    form = forms.make_form(kind, target_of(host), forms.typed_values(kind, request.POST), {})

    def launch() -> int:
        if forms.left_empty(form):
            raise InvalidParams(forms.left_empty(form))
        job = job_actions.launch(
            request.user,
            kind.name,
            forms.raw_values(form.fields, kind.Params),
            host,
            priority=queue.priority_for(request.user, request.POST.get("priority", "")),
            confirmed=lambda seen: parts.confirmed_in(request, host, seen.plan),
        )
        return job.pk

    try:
        return redirect("job-detail", once(request, launch))
    except parts.Unconfirmed as error:
        context = _context(request, kind, request.POST) | {"refused": str(error)}
    except LaunchError as error:
        context = _context(request, kind, request.POST, errors=error.fields)
    return _page(request, kind, context, status=422)


@requires("job.launch", "POST")
def launch_preview(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Render the form's preview as fragments; the page's address follows the input."""
    context = _context(request, _kind(kind_name), request.POST)
    response = render(request, "launch/_preview.html", context)
    response["HX-Replace-Url"] = context["address"]
    return response


@requires("job.launch", "GET")
def launch_script(request: HttpRequest, kind_name: str) -> HttpResponseBase:
    return parts.script_file(_context(request, _kind(kind_name), request.GET)["script"], "plan.sh")


@requires("job.launch", "POST")
def launch_check(request: HttpRequest, kind_name: str) -> HttpResponse:
    kind, user = _kind(kind_name), person(request)
    host = _host(kind, request.POST, user)
    if host is None:
        return HttpResponse()
    target = target_of(host)
    typed = forms.typed_values(kind, request.POST)
    form = forms.make_form(kind, target, typed | settled(kind, typed), {})
    planned = preview(
        kind.name, forms.raw_values(form.fields, kind.Params), host, target, user=user
    )
    asked = ask_checks(host, planned, user)
    if asked is None:
        return HttpResponse()
    record_often(request.user, "host.check", f"host {host.name}", kind=kind_name)
    return parts.fragment(request, asked)


@requires("job.launch", "GET")
def launch_findings(request: HttpRequest, preflight_id: int) -> HttpResponse:
    """Return findings so far; ``?form=`` names the form of the confirmation checkbox."""
    return parts.fragment(request, get_object_or_404(Preflight, pk=preflight_id, job=None))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise Http404(f"no kind of job is called {name}")
    return KINDS[name]


def _named(kind: Kind, data: QueryDict) -> LaunchSubject:
    """Return the model or engine of the address; only a kind that takes engines keeps one."""
    named = front.named_subject(data)
    return named if "deployment" in kind.Params.model_fields else LaunchSubject(named.model)


def _host(kind: Kind, data: QueryDict, user: AbstractBaseUser | None) -> Host | None:
    choices = front.host_choices(kind.has_dies, _named(kind, data), user, kind)
    return front.chosen_host(choices, str(data.get("host", "")))


def _page(
    request: HttpRequest, kind: Kind, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    if form := context.get("form"):
        engine, subject, hosts = form.field("deployment"), context["subject"], context["hosts"]
        if (subject.model, subject.host) != context["hosts_of"]:
            hosts = front.host_choices(kind.has_dies, subject, person(request), kind)
        context["subject_field"] = engine or form.field("model")
        context["groups"] = form.without(form.exact, context["subject_field"]).groups
        context["front"] = front.questions(
            front.purpose_of(kind),
            kind.name,
            subject,
            context["target"],
            hosts,
            context["kept"],
            engine,
        )
    return render(request, "launch/form.html", context, status=status)


def _subject(
    kind: Kind, target: Target, typed: dict[str, str], named: LaunchSubject
) -> LaunchSubject:
    """Return what the form is about. Without a chosen engine ``typed`` gets the first one, with a
    named model the first of that model."""
    if "deployment" in kind.Params.model_fields:
        refs = {ref.key: ref for ref in target.deployments}
        key = typed.get("deployment", "")
        if not key or key.startswith(front.MODEL):
            model = "" if named.engine else named.model
            keys = [one.value for one in forms.offers(kind, target, "deployment") or ()]
            fits = [one for one in keys if not model or refs[one].data["model_id"] == model]
            key = typed["deployment"] = next(iter(fits), "")
        return front.engine_on(target, key, named.model)
    for name, type in asset_fields(kind.Params).items():
        if type not in ("weights", "artifact"):
            continue
        first = [] if named.model else [one.value for one in forms.offers(kind, target, name) or ()]
        key = typed.get(name) or next(iter(first), "")
        ref = next((one for one in target.assets(type) if one.key == key), None)
        return LaunchSubject(str(ref.data.get("model_id", "")) if ref else named.model)
    if "model" in kind.Params.model_fields:
        return LaunchSubject(typed.get("model") or str(kind.Params.model_fields["model"].default))
    return named


def _origin(kind: Kind, data: QueryDict) -> Job | None:
    """Return the job of "from=17", which fills the form with its values, or of "against=17", which
    comes from an edited form. Differences from it are marked."""
    number = number_from(data.get("from") or data.get("against", ""))
    rows = Job.objects.select_related("host").filter(pk=number or 0, kind=kind.name)
    return rows.first() if number is not None else None


def _query(
    form: forms.LaunchForm,
    subject: LaunchSubject,
    kept: list[tuple[str, str]],
    origin: Job | None,
) -> str:
    """Return the query of the form's address. It has the model if no engine or asset tells it."""
    assets = [one for one in form.fields if one.is_asset and one.value]
    is_told = bool(subject.engine or form.field("model") or assets)
    more = [*kept, ("model", "" if is_told else subject.model)]
    more += [("against", str(origin.pk))] if origin else []
    query = urlencode([(name, value) for name, value in more if value])
    return "&".join(filter(None, (form.query, query)))


def _context(
    request: HttpRequest, kind: Kind, data: QueryDict, *, errors: Mapping[str, str] | None = None
) -> dict[str, Any]:
    user = person(request)
    origin = _origin(kind, data)
    named = _named(kind, data)
    hosts = front.host_choices(kind.has_dies, named, user, kind)
    host = front.chosen_host(hosts, str(data.get("host") or (origin.host.name if origin else "")))
    target = target_of(host) if host else None
    base: dict[str, Any] = {"kind": kind, "host": host, "target": target}
    base |= {"hosts": hosts, "hosts_of": (named.model, named.host)}
    if host is None or target is None:
        return base | {"script": None}
    typed = forms.typed_values(kind, data)
    if origin and "from" in data:
        typed = {**forms.typed_from_params(kind, origin.params), **typed}
    typed |= settled(kind, typed)
    subject = _subject(kind, target, typed, named)
    model = "" if subject.engine else subject.model
    draft = forms.make_form(kind, target, typed, {}, model)
    raw = forms.raw_values(draft.fields, kind.Params)
    result = preview(kind.name, raw, host, target, user=user)
    problems = {**result.errors, **forms.left_empty(draft), **(errors or {})}
    form = forms.make_form(kind, target, typed, problems, model)
    form = form if errors else form.untouched()
    plan = None if problems else result.plan
    priority = str(data.get("priority", ""))
    if priority not in queue.priorities_for(request.user):
        priority = "normal"
    kept = front.kept_of(data, kind.Params.model_fields)
    query = _query(form, subject, kept, origin)
    address = f"{reverse('launch-form', args=[kind.name])}?{query}"
    planned: dict[str, Any] = dict.fromkeys(("script", "view", "starts", "before", "earlier"))
    if plan:
        before: Plan | None = from_json(origin.plan) if origin else plan
        if not origin and (usual := _usual(kind, target, typed)) != raw:
            before = preview(kind.name, usual, host, target, user=user).plan
        planned = {"script": result.script, "view": parts.command_of(result, before)}
        queued = draft_of(kind, result, target)
        queued.priority, queued.created_by_id = queue.read_priority(priority), request.user.pk
        planned |= _foreseen(kind, result, host, target, queued)
    return {
        **base,
        **planned,
        "priorities": queue.priorities_for(request.user),
        "priority": priority,
        "form": form,
        "subject": subject,
        "kept": kept,
        "origin": origin,
        "presets": preset_links(kind, target, form),
        "address": address if priority == "normal" else f"{address}&priority={priority}",
        "script_address": f"{reverse('launch-script', args=[kind.name])}?{form.query}",
        **_faults(form, problems),
        "checks": checks(host, result, form, planned["starts"]),
        "dies": plan.dies if plan else 0,
        "asks_host": bool(plan and plan.checks) and not is_away(host),
        "notes_title": _("Differences from the guide") if target.has_dies else _("Notes"),
    }


def _faults(form: forms.LaunchForm, errors: Mapping[str, str]) -> dict[str, Any]:
    """Return why the form cannot be sent: a missing asset, errors, or fields left to fill in."""
    left = {one.name for one in form.left}
    faults = parts.faults({n: text for n, text in errors.items() if n not in left}, form.fields)
    blocked = "missing" if form.missing else "errors" if faults else "left" if left else ""
    return {"errors": errors, "faults": faults, "blocked": blocked}


def _usual(kind: Kind, target: Target, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return the defaults with the chosen assets: changes are marked against their plan."""
    assets = {name: typed[name] for name in asset_fields(kind.Params) if name in typed}
    return forms.raw_values(forms.make_form(kind, target, assets, {}).fields, kind.Params)


def _foreseen(
    kind: Kind, result: LaunchPreview, host: Host, target: Target, queued: Job
) -> dict[str, Any]:
    """Return when the job would start, and how long similar work took."""
    earlier = usual = queries.durations(queued, host)
    queued.host = host
    measured = evaluation_plan(kind, result.params.model_dump(), target)
    estimate = measured["estimate"] if measured else None
    if earlier and not earlier.same and estimate and estimate.counted_by:
        earlier = None  # the deployment's own speed tells more than runs of other work
    starts = forecast_draft(host, queued, usual)
    return {"starts": starts, "before": measured, "earlier": earlier}


class SummaryLine(NamedTuple):
    """One line of the list. ``state``: passed, note (a fact), warning or failed."""

    state: str
    message: str
    remark: str = ""
    job: int | None = None

    @property
    def word(self) -> str:
        words = {"passed": _("passed"), "note": _("info"), "warning": _("warning")}
        return words.get(self.state, _("blocked"))


def checks(
    host: Host, result: LaunchPreview, form: forms.LaunchForm, starts: Forecast | None = None
) -> list[SummaryLine]:
    """Return all checks before a launch; blocking ones last, next to the button."""
    lines = [_of_host(host), *_of_queue(host, starts)]
    for name in result.will_add:
        text = _("Environment %(name)s is missing on the host: a job installs it first.")
        lines.append(SummaryLine("note", text % {"name": name}, _("one-time")))
    for field in form.fields:
        number = promised_job(field.value)
        if number is not None:
            text = _("%(field)s is not finished yet: this job starts afterwards.")
            lines.append(SummaryLine("note", text % {"field": field.label}, job=number))
    missing = [field.missing.message for field in form.fields if field.missing]
    lines += [SummaryLine("failed", text) for text in missing]
    lines += [SummaryLine("failed", f"{one.label}{_(': ')}{one.error}") for one in form.wrong]
    return lines


def _of_host(host: Host) -> SummaryLine:
    state, remark = "warning", ""
    if host.heartbeat_at is None:
        text = _("%(host)s has not connected yet; the job waits in the queue.")
    elif is_away(host):
        text = _("%(host)s is offline; the job starts when the host is back.")
        remark = since(host.heartbeat_at)
    elif host.is_outdated:
        text = _("%(host)s runs an earlier version. The job starts when it is upgraded.")
    elif host.draining:
        state = "note"  # paused on purpose: not a warning
        text = _("%(host)s is paused: no new jobs start there.")
    elif lacks_room(host):
        text = _("The disk of %(host)s is full; the job starts once there is room.")
    else:
        state, text, remark = "passed", _("%(host)s is online."), since(host.heartbeat_at)
    return SummaryLine(state, text % {"host": host_title(host)}, remark)


def _of_queue(host: Host, starts: Forecast | None) -> list[SummaryLine]:
    if starts is None:
        return []
    if starts.starts_in_s is None:
        if starts.message.id in queue.OF_THE_HOST:
            return []  # in the line of the host
        return [SummaryLine("note", queue.starts(starts))]
    if not queue.is_next(starts):
        first = min(Job.on([host], Job.ON_HOST_STATES).values_list("pk", flat=True), default=None)
        if first is None:
            queued = Job.on([host], [Job.State.QUEUED]).order_by(*Job.QUEUE_ORDER)
            first = queued.values_list("pk", flat=True).first()
        return [SummaryLine("note", queue.starts(starts), job=first)]
    if Job.objects.filter(host=host, state=Job.State.QUEUED).exists():
        return [SummaryLine("passed", _("Starts next: queued jobs do not block this one."))]
    return [SummaryLine("passed", _("The queue is empty: the job starts immediately."))]


def evaluation_plan(kind: Kind, params: Mapping[str, Any], target: Target) -> dict[str, Any] | None:
    """Return the panel *Before the launch* of an evaluation; None for kinds that score no answers.

    ``estimate``: from tokens; None: not known. ``dies``: of the deployment, of ``all_dies`` of the
    host; ``is_endpoint``: the engine is elsewhere. ``accuracy``: in per cent, of ``measured_by``;
    None: assumed. ``changed``: assumed share of changed answers, in per cent. ``margin`` in
    points. ``interval``: questions for an interval of one accuracy. ``goals``: questions that show
    one, the same on both sides (``paired``) or different ones on each (``unpaired``).
    """
    if not kind.answer_limit:
        return None
    ref = next((one for one in target.deployments if one.key == params.get("deployment")), None)
    served = ref.data if ref else {}
    model_id = str(served.get("model_id") or "")
    measured_by = queries.latest_accuracy(model_id) if model_id else None
    accuracy = float(measured_by.metrics["accuracy"]) if measured_by else statistics.USUAL_ACCURACY
    is_early = bool(params.get(evaluations.STOP_FIELDS[0]))
    margin = params["margin"] / 100 if is_early else statistics.MARGIN
    z = BOUNDARY if is_early else Z
    goals = []
    for choice in goal_choices():
        if not (is_early and params["goal"]) or choice.value == params["goal"]:
            goal = cast("Goal", choice.value)
            paired = statistics.questions_paired(goal, margin=margin, z=z)
            unpaired = statistics.questions_unpaired(goal, accuracy, margin, z)
            goals.append({"words": choice.label, "paired": paired, "unpaired": unpaired})
    return {
        "estimate": queries.evaluation_estimate(kind.name, params),
        "dies": len([number for number in str(served.get("dies") or "").split(",") if number]),
        "all_dies": len(target.facts.get("dies") or ()),
        "is_endpoint": ref is not None and ref.endpoint is not None,
        "accuracy": 100 * accuracy,
        "measured_by": measured_by,
        "changed": 100 * statistics.USUAL_CHANGED,
        "margin": 100 * margin,
        "interval": statistics.questions_for_interval(accuracy, margin),
        "goals": goals,
    }


def preset_links(kind: Kind, target: Target, form: forms.LaunchForm) -> list[dict[str, Any]]:
    """Return the presets on ``target``. ``address`` "": the host has no kind for one."""
    if kind.family != "evaluate":
        return []
    values = {field.name: field.value for field in form.fields}
    shown = (
        preset
        for preset in EVALUATION_PRESETS.values()
        if (wanted := preset.kinds.get(kind.name)) and wanted.items() <= values.items()
    )
    current = next(shown, EVALUATION_PRESETS["own"])
    links = []
    for preset in EVALUATION_PRESETS.values():
        # The form's own kind if the preset has it, else the first that the host supports.
        names = [kind.name] if kind.name in preset.kinds else list(preset.kinds)
        kinds = (KINDS[name] for name in names)
        chosen = next((one for one in kinds if one is kind or one.is_available(target)), None)
        link = {"preset": preset, "kind": "", "address": "", "is_current": False}
        if chosen is not None:
            query = {"host": target.name}
            # Each kind has its own choice of deployments.
            offered = [one.value for one in forms.offers(chosen, target, "deployment") or ()]
            if values.get("deployment", "") in offered:
                query["deployment"] = values["deployment"]
            query |= preset.kinds[chosen.name]
            address = f"{reverse('launch-form', args=[chosen.name])}?{urlencode(query)}"
            link |= {"kind": chosen.name, "address": address, "is_current": preset is current}
        links.append(link)
    return links


urlpatterns: list[URLPattern] = [
    path("<slug:kind_name>/", launch_form, name="launch-form"),
    path("<slug:kind_name>/preview/", launch_preview, name="launch-preview"),
    path("<slug:kind_name>/plan.sh", launch_script, name="launch-script"),
    path("<slug:kind_name>/check/", launch_check, name="launch-check"),
    path("preflights/<int:preflight_id>/", launch_findings, name="launch-findings"),
]
