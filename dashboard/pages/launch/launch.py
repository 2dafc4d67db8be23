"""Launch form of a job: fields of its kind, command, checks, and launch."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch import parts
from dashboard.pages.launch.launch_evaluation import better_known, evaluation_plan, preset_links
from dashboard.pages.launch.launch_form import (
    LaunchForm,
    left_empty,
    make_form,
    proposed_raw,
    raw_values,
    typed_from_params,
    typed_values,
)
from dashboard.security.audit_log import record_often
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from dashboard.text.formatting import since
from dashboard.text.labels import host_title
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.kinds import KINDS
from jobs.kinds.lib.base import FAMILIES, Kind, Target, asset_fields, promised_job
from jobs.launch.launch import InvalidParams, Preview, ask_checks, draft_of, preview
from jobs.models import Deployment, Host, Job, Preflight
from jobs.plans import Plan, from_json
from jobs.queries.hosts import is_away, lacks_room
from jobs.queries.jobs.durations import durations
from jobs.schedule.forecast import Forecast, forecast_drafts
from jobs.schedule.targets import made_by, target_of


@require_GET
@requires("job.launch")
def launch_start(request: HttpRequest) -> HttpResponse:
    """Show the form of ``?kind=``, or of the host's first kind."""
    query, (host, _hosts) = request.GET.copy(), _host(request.GET, person(request))
    first = _in_order(target_of(host) if host else None)[0].name
    kind = _kind(query.pop("kind", [first])[-1])
    address = reverse("launch-form", args=[kind.name])
    return redirect(f"{address}?{query.urlencode()}" if query else address)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.launch")
def launch_form(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Show the form, filled from the URL; POST launches it and redirects to the job."""
    kind = _kind(kind_name)
    if request.method != "POST":
        return render(request, "launch/form.html", _context(request, kind, request.GET))
    host, _hosts = _host(request.POST, person(request))
    if host is None:
        return redirect("launch-form", kind_name)
    form = make_form(kind, target_of(host), typed_values(kind, request.POST), {})

    def launch() -> int:
        if left_empty(form):
            raise InvalidParams(left_empty(form))
        job = job_actions.launch(
            request.user,
            kind.name,
            raw_values(form, kind),
            host,
            priority=queue.priority_for(request.user, request.POST.get("priority", "")),
            confirmed=lambda plan: parts.confirmed_in(request, host, plan),
        )
        return job.pk

    try:
        return redirect("job-detail", once(request, launch))
    except parts.Unconfirmed as error:
        context = _context(request, kind, request.POST) | {"general_error": str(error)}
    except LaunchError as error:
        context = _context(request, kind, request.POST, errors=parts.errors_of(error))
    return render(request, "launch/form.html", context, status=422)


@require_POST
@requires("job.launch")
def launch_preview(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Render the form's preview as fragments; the page's address follows the input."""
    context = _context(request, _kind(kind_name), request.POST)
    response = render(request, "launch/_preview.html", context)
    response["HX-Replace-Url"] = context["address"]
    return response


@require_GET
@requires("job.launch")
def launch_script(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Download the plan of the form in the URL as a shell script."""
    return parts.script_file(_context(request, _kind(kind_name), request.GET)["script"], "plan.sh")


@require_POST
@requires("job.launch")
def launch_check(request: HttpRequest, kind_name: str) -> HttpResponse:
    kind, user = _kind(kind_name), person(request)
    host, _hosts = _host(request.POST, user)
    if host is None:
        return HttpResponse()
    target = target_of(host)
    form = make_form(kind, target, _promises_kept(kind, typed_values(kind, request.POST)), {})
    planned = preview(kind.name, raw_values(form, kind), host, target, user=user)
    asked = ask_checks(host, planned, user)
    if asked is None:
        return HttpResponse()
    record_often(request.user, "host.check", f"host {host.name}", kind=kind_name)
    return parts.fragment(request, asked)


@require_GET
@requires("job.launch")
def launch_findings(request: HttpRequest, preflight_id: int) -> HttpResponse:
    """Return findings so far; ``?form=`` names the form of the confirmation checkbox."""
    return parts.fragment(request, get_object_or_404(Preflight, pk=preflight_id, job=None))


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise Http404(f"no kind of job is called {name}")
    return KINDS[name]


def _host(data: QueryDict, user: AbstractBaseUser | None) -> tuple[Host | None, list[Host]]:
    return parts.choose_host(data, user, first=lambda one: one.type == Host.Type.THIS_COMPUTER)


def _context(
    request: HttpRequest,
    kind: Kind,
    data: QueryDict,
    *,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    user = person(request)
    host, hosts = _host(data, user)
    target = target_of(host) if host else None
    base = {"families": _families(kind, target), "kind": kind, "hosts": hosts, "host": host}
    if host is None or target is None:
        return base | {"script": None}
    # "from=17" fills the form with values of job 17. "against=17" comes from an edited form:
    # differences from that job are marked.
    number = number_from(data.get("from") or data.get("against", ""))
    repeated = Job.objects.filter(pk=number, kind=kind.name) if number is not None else []
    origin = next(iter(repeated), None)
    typed = typed_values(kind, data)
    if origin and "from" in data:
        typed = {**typed_from_params(kind, origin.params), **typed}
    typed = _promises_kept(kind, typed)
    draft = make_form(kind, target, typed, {})
    result = preview(kind.name, raw_values(draft, kind), host, target, user=user)
    problems = {**result.errors, **left_empty(draft), **(errors or {})}
    form = make_form(kind, target, typed, problems)
    plan = None if problems else result.plan
    priority = str(data.get("priority", ""))
    if priority not in queue.priorities_for(request.user):
        priority = "normal"
    address = f"{reverse('launch-form', args=[kind.name])}?{form.query}"
    address += f"&against={origin.pk}" if origin else ""
    planned: dict[str, Any] = dict.fromkeys(("script", "view", "starts", "before", "earlier"))
    if plan:
        if origin:  # changes are marked
            before: Plan | None = from_json(origin.plan)
        else:
            usual = proposed_raw(kind, target, typed)
            before = preview(kind.name, usual, host, target, user=user).plan
        planned = {"script": result.script, "view": parts.command_of(result, before)}
        planned |= _expected(kind, result, target, host, priority)
    return {
        **base,
        **planned,
        "priorities": queue.priorities_for(request.user),
        "priority": priority,
        "form": form,
        "origin": origin,
        "presets": preset_links(kind, target, form),
        "address": address if priority == "normal" else f"{address}&priority={priority}",
        "script_address": f"{reverse('launch-script', args=[kind.name])}?{form.query}",
        "errors": problems,
        "general_error": problems.get("", ""),
        "checks": checks(host, result, form, planned["starts"]),
        "blocked": "missing" if form.missing else ("errors" if problems else ""),
        "dies": plan.dies if plan else 0,
        "asks_host": bool(plan and plan.checks) and not is_away(host),
        "notes_title": _("Differences from the guide") if target.has_dies else _("Notes"),
    }


def _expected(
    kind: Kind, planned: Preview, target: Target, host: Host, priority: str
) -> dict[str, Any]:
    """Return the forecast of a launch now, what it will take, and earlier runs."""
    draft = draft_of(kind, planned, target)
    earlier = durations(draft, host)
    draft.host, draft.priority = host, queue.read_priority(priority)
    before = evaluation_plan(kind, planned.params.model_dump(), target)
    starts = forecast_drafts(host, [draft])[0]
    return {"starts": starts, "before": before, "earlier": better_known(before, earlier)}


@dataclass(frozen=True, slots=True)
class _Family:
    """Kinds of a family that a host supports; ``first``: target of the family's link."""

    title: str
    first: Kind
    kinds: tuple[Kind, ...]


def _families(kind: Kind, target: Target | None) -> list[_Family]:
    """Return kinds available on ``target``, by family; always includes ``kind``."""
    families = []
    for name, title in FAMILIES.items():
        kinds = tuple(
            item
            for item in _in_order(target)
            if item.family == name and (item is kind or target is None or item.is_available(target))
        )
        if kinds:
            families.append(_Family(_(title), kind if kind in kinds else kinds[0], kinds))
    return families


def _in_order(target: Target | None) -> list[Kind]:
    """Return all kinds; on a host with cards, those that need cards come first."""
    kinds = list(KINDS.values())
    if target is None or not target.has_dies:
        return kinds
    without = replace(target, facts={**target.facts, "dies": []})
    first = [item for item in kinds if item.is_available(target) and not item.is_available(without)]
    return [*first, *(item for item in kinds if item not in first)]


def _promises_kept(kind: Kind, typed: Mapping[str, str]) -> dict[str, str]:
    """Return ``typed`` with "job:17" replaced by the product of job 17."""
    settled = dict(typed)
    for name, asset in asset_fields(kind.Params).items():
        number = promised_job(typed.get(name))
        if number is None or Job.objects.filter(pk=number, state__in=Job.OPEN_STATES).exists():
            continue
        if asset == "deployment":
            made: Any = Deployment.objects.filter(job=number).first()
        else:
            made = made_by(number, asset)
        settled[name] = str(made.pk) if made else typed[name]
    return settled


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One line of the list. ``state``: passed, note (a fact), warning or failed. ``job``: a related
    job."""

    state: str
    message: str
    remark: str = ""
    job: int | None = None

    @property
    def word(self) -> str:
        return {
            "passed": _("passed"),
            "note": _("info"),
            "warning": _("warning"),
            "failed": _("blocked"),
        }[self.state]


def checks(
    host: Host, result: Preview, form: LaunchForm, starts: Forecast | None = None
) -> list[SummaryLine]:
    """Return all checks before a launch; blocking ones last, next to the button.

    ``starts``: forecast of the start; None if unknown.
    """
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
    wrong = sum(bool(field.error) for field in form.fields if not field.missing)
    if wrong:
        text = ngettext("%(count)d field is invalid.", "%(count)d fields are invalid.", wrong)
        lines.append(SummaryLine("failed", text % {"count": wrong}))
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
        open_here = Job.objects.filter(host=host)
        runs = open_here.filter(state__in=Job.ON_HOST_STATES).order_by("pk").first()
        first = runs or open_here.filter(state=Job.State.QUEUED).order_by(*Job.QUEUE_ORDER).first()
        return [SummaryLine("note", queue.starts(starts), job=first.pk if first else None)]
    if Job.objects.filter(host=host, state=Job.State.QUEUED).exists():
        return [SummaryLine("passed", _("Starts next: queued jobs do not block this one."))]
    return [SummaryLine("passed", _("The queue is empty: the job starts immediately."))]


urlpatterns: list[URLPattern] = [
    path("", launch_start, name="launch"),
    path("<slug:kind_name>/", launch_form, name="launch-form"),
    path("<slug:kind_name>/preview/", launch_preview, name="launch-preview"),
    path("<slug:kind_name>/plan.sh", launch_script, name="launch-script"),
    path("<slug:kind_name>/check/", launch_check, name="launch-check"),
    path("preflights/<int:preflight_id>/", launch_findings, name="launch-findings"),
]
