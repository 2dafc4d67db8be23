"""Launch form: fields of a kind, command preview, and launch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.launch.confirmation_form import Unconfirmed, confirmed_in
from dashboard.pages.launch.evaluation_plan import better_known, evaluation_plan
from dashboard.pages.launch.evaluation_presets import preset_links
from dashboard.pages.launch.launch_form import (
    LaunchForm,
    left_empty,
    make_form,
    proposed_raw,
    raw_values,
    typed_from_params,
    typed_values,
)
from dashboard.pages.launch.launch_summary import checks
from dashboard.pages.shared.plan import against, command_view
from dashboard.security.permissions import requires
from dashboard.security.request import person
from dashboard.text import queue_words as queue
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.kinds import KINDS
from jobs.kinds.lib.base import FAMILIES, Kind, Target, asset_fields, promised_job
from jobs.launch.launch import InvalidParams, Preview, draft_of, preview
from jobs.models import Deployment, Host, Job
from jobs.plans import Plan, from_json
from jobs.queries.hosts.hosts import is_away
from jobs.queries.jobs.durations import durations
from jobs.schedule.forecast import Forecast, forecast_drafts
from jobs.schedule.launch_rights import open_hosts
from jobs.schedule.targets import made_by, target_of


@require_GET
@requires("job.launch")
def launch_start(request: HttpRequest) -> HttpResponse:
    """Show the form of ``?kind=``, or of the host's first kind."""
    query, host = request.GET.copy(), _host(request.GET, person(request))
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
    host = _host(request.POST, person(request))
    if host is None:
        return redirect("launch-form", kind_name)
    target = target_of(host)
    form = make_form(kind, target, typed_values(kind, request.POST), {})
    raw = raw_values(form, kind)
    plan = preview(kind.name, raw, host, target, user=person(request)).plan

    def run() -> int:
        if left_empty(form):
            raise InvalidParams(left_empty(form))
        return _launch(request, kind, host, raw, plan).pk

    try:
        job_id = once(request, run)
    except Unconfirmed as error:
        context = _context(request, kind, request.POST) | {"general_error": str(error)}
        return render(request, "launch/form.html", context, status=422)
    except InvalidParams as error:
        errors: Mapping[str, str] = error.fields
    except LaunchError as error:
        errors = {error.field: str(error)}
    else:
        return redirect("job-detail", job_id)
    context = _context(request, kind, request.POST, errors=errors)
    return render(request, "launch/form.html", context, status=422)


def _launch(
    request: HttpRequest, kind: Kind, host: Host, raw: Mapping[str, Any], plan: Plan | None
) -> Job:
    """Launch the posted form. ``plan``: that of its preview.

    Raises:
        LaunchError: a field is wrong, or a warning is not confirmed.
    """
    priority = queue.priority_for(request.user, request.POST.get("priority", ""))
    confirmed = confirmed_in(request, host, plan) if plan else []
    return job_actions.launch(
        request.user, kind.name, raw, host, priority=priority, confirmed=confirmed
    )


@require_POST
@requires("job.launch")
def launch_preview(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Render the form's preview as fragments; the page's address follows the input."""
    kind = _kind(kind_name)
    context = _context(request, kind, request.POST)
    response = render(request, "launch/_preview.html", context)
    response["HX-Replace-Url"] = context["address"]
    return response


@require_GET
@requires("job.launch")
def launch_script(request: HttpRequest, kind_name: str) -> HttpResponse:
    """Download the plan of the form in the URL as a shell script."""
    context = _context(request, _kind(kind_name), request.GET)
    if context["script"] is None:
        raise Http404("this form makes no plan")
    return HttpResponse(
        context["script"],
        content_type="text/x-shellscript; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="plan.sh"'},
    )


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise Http404(f"no kind of job is called {name}")
    return KINDS[name]


def _host(data: QueryDict, user: AbstractBaseUser | None) -> Host | None:
    """Return the host named by ``data``; default: the first where ``user`` may launch, This
    computer before others."""
    hosts = {host.name: host for host in Host.objects.all()}
    name = str(data.get("host", ""))
    if name in hosts:
        return hosts[name]
    allowed = open_hosts(hosts.values(), user)
    own = [host for host in allowed if host.type == Host.Type.THIS_COMPUTER]
    return next(iter([*own, *allowed, *hosts.values()]), None)


def offered(host: Host | None, user: AbstractBaseUser | None) -> list[Host]:
    """Return hosts on which ``user`` may launch, and the chosen one."""
    hosts = list(Host.objects.all())
    allowed = open_hosts(hosts, user)
    return [one for one in hosts if one in allowed or one == host]


def _repeated(data: QueryDict, kind: Kind) -> Job | None:
    """Return the job to repeat: "from=17" fills the form with its values.

    "against=17" comes from an edited form: differences from that job are marked.
    """
    number = number_from(data.get("from") or data.get("against", ""))
    return Job.objects.filter(pk=number, kind=kind.name).first() if number is not None else None


def _context(
    request: HttpRequest,
    kind: Kind,
    data: QueryDict,
    *,
    errors: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    user = person(request)
    host = _host(data, user)
    target = target_of(host) if host else None
    base: dict[str, Any] = {
        "families": _families(kind, target),
        "kind": kind,
        "hosts": offered(host, user),
        "host": host,
        "script": None,
    }
    if host is None or target is None:
        return base
    origin = _repeated(data, kind)
    typed = typed_values(kind, data)
    if origin and "from" in data:
        typed = {**typed_from_params(kind, origin.params), **typed}
    typed = _promises_kept(kind, typed)
    draft = make_form(kind, target, typed, {})
    result = preview(kind.name, raw_values(draft, kind), host, target, user=user)
    problems = {**result.errors, **left_empty(draft), **(errors or {})}
    form = make_form(kind, target, typed, problems)
    plan = None if problems else result.plan
    priority = _priority(request, data)
    starts = _starts(kind, result, target, host, priority) if plan else None
    return base | {
        "priorities": queue.priorities_for(request.user),
        "priority": priority,
        "starts": starts,
        "form": form,
        "origin": origin,
        "address": _address(kind, form, origin, priority),
        "script_address": f"{reverse('launch-script', args=[kind.name])}?{form.query}",
        **_expected(kind, target, form, result if plan else None, host=host),
        "errors": problems,
        "general_error": problems.get("", ""),
        "script": result.script if plan else None,
        "view": command_view(
            plan,
            result.values,
            proposed=result.open_slots,
            before=_before(kind, target, host, typed, origin, user),
            guide=against(result.guide),
        )
        if plan
        else None,
        "checks": checks(host, result, form, starts),
        "blocked": _blocked(form, problems),
        "dies": plan.dies if plan else 0,
        "asks_host": bool(plan and plan.checks) and not is_away(host),
        "notes_title": _("Differences from the guide") if target.has_dies else _("Notes"),
    }


def _expected(
    kind: Kind, target: Target, form: LaunchForm, planned: Preview | None, *, host: Host
) -> dict[str, Any]:
    """Return presets, what the launch will take, and earlier runs."""
    params = planned.params if planned else None
    before = evaluation_plan(kind, params.model_dump(), target) if params else None
    earlier = durations(draft_of(kind, planned, target), host) if planned else None
    return {
        "presets": preset_links(kind, target, form),
        "before": before,
        "earlier": better_known(before, earlier),
    }


def _address(kind: Kind, form: LaunchForm, origin: Job | None, priority: str) -> str:
    """Return a shareable link of the form."""
    address = f"{reverse('launch-form', args=[kind.name])}?{form.query}"
    if origin:
        address += f"&against={origin.pk}"
    return address if priority == "normal" else f"{address}&priority={priority}"


def _priority(request: HttpRequest, data: QueryDict) -> str:
    """Return the priority named by ``data``, if permitted."""
    name = str(data.get("priority", ""))
    return name if name in queue.priorities_for(request.user) else "normal"


def _starts(kind: Kind, result: Preview, target: Target, host: Host, priority: str) -> Forecast:
    """Return the forecast start of a launch now."""
    draft = draft_of(kind, result, target)
    draft.host, draft.priority = host, queue.read_priority(priority)
    return forecast_drafts(host, [draft])[0]


def form_preview(kind_name: str, request: HttpRequest) -> tuple[Host | None, Preview]:
    """Build the preview of the form filled by the POST; Http404: unknown kind."""
    data = request.POST
    kind, host = _kind(kind_name), _host(data, person(request))
    if host is None:
        return None, Preview()
    typed = _promises_kept(kind, typed_values(kind, data))
    target = target_of(host)
    form = make_form(kind, target, typed, {})
    raw = raw_values(form, kind)
    return host, preview(kind.name, raw, host, target, user=person(request))


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
        if number is not None:
            made = (
                Deployment.objects.filter(job=number).first()
                if asset == "deployment"
                else made_by(number, asset)
            )
            open_still = Job.objects.filter(pk=number, state__in=Job.OPEN_STATES).exists()
            settled[name] = str(made.pk) if made and not open_still else typed[name]
    return settled


def _before(
    kind: Kind,
    target: Target,
    host: Host,
    typed: Mapping[str, str],
    origin: Job | None,
    user: AbstractBaseUser | None,
) -> Plan | None:
    """Return the plan to compare with: the repeated job's, or the form's default."""
    if origin:
        return from_json(origin.plan)
    raw = proposed_raw(kind, target, typed)
    result = preview(kind.name, raw, host, target, user=user)
    return result.plan


def _blocked(form: LaunchForm, errors: Mapping[str, str]) -> str:
    """Return why the button is disabled: "missing", "errors", or "" if enabled."""
    if form.missing:
        return "missing"
    return "errors" if errors else ""


urlpatterns: list[URLPattern] = [
    path("", launch_start, name="launch"),
    path("<slug:kind_name>/", launch_form, name="launch-form"),
    path("<slug:kind_name>/preview/", launch_preview, name="launch-preview"),
    path("<slug:kind_name>/plan.sh", launch_script, name="launch-script"),
]
