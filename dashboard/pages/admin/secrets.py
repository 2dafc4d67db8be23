"""Secrets of jobs: their names and rules; set, change, delete one. A value is never shown again."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import secrets as actions
from dashboard.security.permissions import requires
from jobs.access import secret_keys, secrets
from jobs.base.errors import LaunchError
from jobs.models import Deployment, Host, Job, Secret
from jobs.plans import from_json
from jobs.plans import secrets as named_in


@dataclass(frozen=True, slots=True, kw_only=True)
class _Typed:
    """Values of the form, without the secret's value. ``is_stored``: its name is."""

    name: str = ""
    is_stored: bool = False
    purpose: str = ""
    endpoints: str = ""
    all_hosts: bool = True
    hosts: frozenset[str] = field(default_factory=frozenset)
    everyone: bool = True
    people: frozenset[str] = field(default_factory=frozenset)


@require_GET
@requires("secret.manage")
def secret_list(request: HttpRequest) -> HttpResponse:
    """Show stored secrets, and a form for one: new, or the one that the address names."""
    return _list(request, _stored(request.GET.get("name", "")), {})


def _list(request: HttpRequest, typed: _Typed, errors: dict[str, str]) -> HttpResponse:
    rows = list(Secret.objects.prefetch_related("hosts", "people"))
    context = {
        "kept": [(row, secrets.PURPOSES.get(row.purpose, "")) for row in rows],
        "incomplete": [row for row in rows if not row.is_complete],
        "typed": typed,
        "errors": errors,
        "purposes": secrets.PURPOSES.items(),
        "hosts": list(Host.objects.values_list("name", flat=True)),
        "people": list(_active().values_list("username", flat=True)),
        "key_file": secret_keys.key_file(),
        "problem": secrets.problem(),
    }
    return render(request, "secrets/list.html", context, status=422 if errors else 200)


@sensitive_post_parameters("value")
@require_POST
@requires("secret.manage")
def secret_keep(request: HttpRequest) -> HttpResponse:
    """Store ``value`` and rules under ``name``; without a value, change the rules."""
    typed = _typed(request.POST)
    rules = actions.Rules(
        purpose=typed.purpose,
        endpoints=typed.endpoints.split(),
        hosts=None if typed.all_hosts else typed.hosts,
        people=None if typed.everyone else typed.people,
    )
    value = request.POST.get("value", "").strip()
    if not value and not typed.is_stored:
        return _list(request, typed, {"value": gettext("Enter the secret's value.")})
    if errors := _contradictions(typed):
        return _list(request, typed, errors)
    try:
        is_new = actions.keep(request.user, typed.name, value or None, rules)
    except LaunchError as error:
        return _list(request, typed, {error.field: str(error)})
    text = gettext("%(name)s saved.") if is_new else gettext("%(name)s updated.")
    messages.success(request, text % {"name": typed.name})
    return redirect("secret-list")


@require_http_methods(["GET", "POST"])
@requires("secret.manage")
def secret_delete(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then delete a secret (POST)."""
    if name not in secrets.names():
        raise Http404(name)
    if request.method == "POST":
        actions.delete(request.user, name)
        messages.success(request, gettext("%(name)s deleted.") % {"name": name})
        return redirect("secret-list")
    waiting = Job.objects.filter(state=Job.State.QUEUED)
    serving = Deployment.objects.filter(state__in=Deployment.LIVE_STATES).select_related("job")
    context = {
        "name": name,
        "jobs": [job for job in waiting if _needs(job, name)],
        "deployments": [item for item in serving if _needs(item.job, name)],
    }
    return render(request, "secrets/delete.html", context)


def _needs(job: Job, name: str) -> bool:
    return name in named_in(from_json(job.plan))


def _active() -> QuerySet[User]:
    return User.objects.filter(is_active=True).order_by("username")


def _stored(name: str) -> _Typed:
    """Return the form of a stored secret; of a new one for another name."""
    row = Secret.objects.filter(name=name).first()
    if row is None:
        return _Typed(name=name)
    return _Typed(
        name=row.name,
        is_stored=True,
        purpose=row.purpose,
        endpoints="\n".join(row.endpoints),
        all_hosts=row.all_hosts,
        hosts=frozenset(row.hosts.values_list("name", flat=True)),
        everyone=row.everyone,
        people=frozenset(row.people.values_list("username", flat=True)),
    )


def _typed(data: QueryDict) -> _Typed:
    name = data.get("name", "").strip()
    return _Typed(
        name=name,
        is_stored=Secret.objects.filter(name=name).exists(),
        purpose=data.get("purpose", ""),
        endpoints=data.get("endpoints", ""),
        all_hosts=data.get("all_hosts") == "on",
        hosts=frozenset(data.getlist("hosts")),
        everyone=data.get("everyone") == "on",
        people=frozenset(data.getlist("people")),
    )


def _contradictions(typed: _Typed) -> dict[str, str]:
    """Return field → message where all are chosen and some are ticked."""
    errors = {}
    if typed.all_hosts and typed.hosts:
        errors["hosts"] = gettext("Hosts are ticked: choose “Only these hosts”, or untick them.")
    if typed.everyone and typed.people:
        errors["people"] = gettext("People are ticked: choose “Only these people”, or untick them.")
    return errors


urlpatterns: list[URLPattern] = [
    path("", secret_list, name="secret-list"),
    path("set/", secret_keep, name="secret-keep"),
    path("<str:name>/delete/", secret_delete, name="secret-delete"),
]
