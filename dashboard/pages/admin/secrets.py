"""Secrets of jobs: their names and rules; set, change, delete one. A value is never shown again."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from dashboard.actions import secrets as actions
from dashboard.security.permissions import requires
from jobs.access import secret_keys, secrets
from jobs.base.errors import LaunchError
from jobs.models import Deployment, Host, Job, Secret
from jobs.plans import from_json
from jobs.plans import secrets as named_in


@requires("secret.manage", "GET")
def secret_list(request: HttpRequest) -> HttpResponse:
    """Show stored secrets, and a form for one: new, or the one that the address names."""
    return _list(request, _stored(request.GET.get("name", "")), {})


def _list(request: HttpRequest, typed: dict[str, Any], errors: dict[str, str]) -> HttpResponse:
    rows = list(Secret.objects.prefetch_related("hosts", "people"))
    people = User.objects.filter(is_active=True).order_by("username")
    context = {
        "kept": [(row, secrets.PURPOSES.get(row.purpose, "")) for row in rows],
        "incomplete": [row for row in rows if not row.is_complete],
        "typed": typed,
        "errors": errors,
        "purposes": secrets.PURPOSES.items(),
        "hosts": list(Host.objects.values_list("name", flat=True)),
        "people": list(people.values_list("username", flat=True)),
        "key_file": secret_keys.key_file(),
        "problem": secrets.problem(),
    }
    return render(request, "secrets/list.html", context, status=422 if errors else 200)


@sensitive_post_parameters("value")
@requires("secret.manage", "POST")
def secret_keep(request: HttpRequest) -> HttpResponse:
    """Store ``value`` and rules under ``name``; without a value, change the rules."""
    typed = _typed(request.POST)
    name, value = typed["name"], request.POST.get("value", "").strip()
    errors = {}
    if not value and not typed["is_stored"]:
        return _list(request, typed, {"value": _("Enter the secret's value.")})
    # All are chosen and some are ticked.
    if typed["all_hosts"] and typed["hosts"]:
        errors["hosts"] = _("Hosts are ticked: choose “Only these hosts”, or untick them.")
    if typed["everyone"] and typed["people"]:
        errors["people"] = _("People are ticked: choose “Only these people”, or untick them.")
    if errors:
        return _list(request, typed, errors)
    rules = actions.Rules(
        purpose=typed["purpose"],
        endpoints=typed["endpoints"].split(),
        hosts=None if typed["all_hosts"] else typed["hosts"],
        people=None if typed["everyone"] else typed["people"],
    )
    try:
        is_new = actions.keep(request.user, name, value or None, rules)
    except LaunchError as error:
        return _list(request, typed, {error.field: str(error)})
    text = _("%(name)s saved.") if is_new else _("%(name)s updated.")
    messages.success(request, text % {"name": name})
    return redirect("secret-list")


@requires("secret.manage", "GET", "POST")
def secret_delete(request: HttpRequest, name: str) -> HttpResponse:
    if name not in secrets.names():
        raise Http404(name)
    if request.method == "POST":
        actions.delete(request.user, name)
        messages.success(request, _("%(name)s deleted.") % {"name": name})
        return redirect("secret-list")

    def needs(job: Job) -> bool:
        return name in named_in(from_json(job.plan))

    serving = Deployment.objects.filter(state__in=Deployment.LIVE_STATES).select_related("job")
    context = {
        "name": name,
        "jobs": [job for job in Job.objects.filter(state=Job.State.QUEUED) if needs(job)],
        "deployments": [item for item in serving if needs(item.job)],
    }
    return render(request, "secrets/delete.html", context)


def _stored(name: str) -> dict[str, Any]:
    """Return the form of a stored secret, without its value; of a new one for another name."""
    row = Secret.objects.filter(name=name).first()
    if row is None:
        return {"name": name, "is_stored": False, "all_hosts": True, "everyone": True}
    return {
        "name": row.name,
        "is_stored": True,
        "purpose": row.purpose,
        "endpoints": "\n".join(row.endpoints),
        "all_hosts": row.all_hosts,
        "hosts": set(row.hosts.values_list("name", flat=True)),
        "everyone": row.everyone,
        "people": set(row.people.values_list("username", flat=True)),
    }


def _typed(data: QueryDict) -> dict[str, Any]:
    name = data.get("name", "").strip()
    return {
        "name": name,
        "is_stored": Secret.objects.filter(name=name).exists(),
        "purpose": data.get("purpose", ""),
        "endpoints": data.get("endpoints", ""),
        "all_hosts": data.get("all_hosts") == "on",
        "hosts": set(data.getlist("hosts")),
        "everyone": data.get("everyone") == "on",
        "people": set(data.getlist("people")),
    }


urlpatterns: list[URLPattern] = [
    path("", secret_list, name="secret-list"),
    path("set/", secret_keep, name="secret-keep"),
    path("<str:name>/delete/", secret_delete, name="secret-delete"),
]
