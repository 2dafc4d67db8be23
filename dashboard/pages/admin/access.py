"""Secrets of jobs, whose values are never shown again, and permitted sources of code and data."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from dashboard.actions import access as actions
from dashboard.security.permissions import allowed, requires
from jobs.access import secret_keys, secrets, sources
from jobs.access.sources import special_range
from jobs.base.errors import LaunchError
from jobs.models import Deployment, Host, Job, Secret, Source
from jobs.plans import from_json
from jobs.plans import secrets as named_in


@requires("secret.manage", "GET")
def secret_list(request: HttpRequest) -> HttpResponse:
    """Show stored secrets, and a form for one: new, or the one that the address names."""
    return _secrets_page(request, _stored_secret(request.GET.get("name", "")), {})


def _secrets_page(
    request: HttpRequest, typed: dict[str, Any], errors: dict[str, str]
) -> HttpResponse:
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
    typed = _typed_secret(request.POST)
    name, value, errors = typed["name"], request.POST.get("value", "").strip(), {}
    if not value and not typed["is_stored"]:
        errors["value"] = _("Enter the secret's value.")
    elif typed["all_hosts"] and typed["hosts"]:
        errors["hosts"] = _("Hosts are ticked: choose “Only these hosts”, or untick them.")
    if not errors.get("value") and typed["everyone"] and typed["people"]:
        errors["people"] = _("People are ticked: choose “Only these people”, or untick them.")
    if errors:
        return _secrets_page(request, typed, errors)
    rules = actions.Rules(
        purpose=typed["purpose"],
        endpoints=typed["endpoints"].split(),
        hosts=None if typed["all_hosts"] else typed["hosts"],
        people=None if typed["everyone"] else typed["people"],
    )
    try:
        is_new = actions.keep_secret(request.user, name, value or None, rules)
    except LaunchError as error:
        return _secrets_page(request, typed, {error.field: str(error)})
    text = _("%(name)s saved.") if is_new else _("%(name)s updated.")
    messages.success(request, text % {"name": name})
    return redirect("secret-list")


@requires("secret.manage", "GET", "POST")
def secret_delete(request: HttpRequest, name: str) -> HttpResponse:
    if name not in secrets.names():
        raise Http404(name)
    if request.method == "POST":
        actions.delete_secret(request.user, name)
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


def _stored_secret(name: str) -> dict[str, Any]:
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


def _typed_secret(data: QueryDict) -> dict[str, Any]:
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


@requires("source.view", "GET")
def source_list(request: HttpRequest) -> HttpResponse:
    """Show the list and the included sources; for administrators a form, filled from the URL."""
    return _sources_page(request, _typed_source(request.GET), {})


@requires("source.manage", "POST")
def source_add(request: HttpRequest) -> HttpResponse:
    typed = _typed_source(request.POST)
    try:
        row = actions.add_source(request.user, typed["type"], typed["address"], typed["note"])
    except LaunchError as error:
        return _sources_page(request, typed, {error.field: str(error)})
    added = _("%(address)s added.") % {"address": row.address}
    if found := special_range(row.address):
        warning = _("It is %(what)s.") % {"what": found}
        messages.warning(request, f"{added} {warning}")
    else:
        messages.success(request, added)
    return redirect("source-list")


@requires("source.manage", "GET", "POST")
def source_remove(request: HttpRequest, source_id: int) -> HttpResponse:
    row = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        actions.remove_source(request.user, source_id)
        messages.success(request, _("%(address)s removed.") % {"address": row.address})
        return redirect("source-list")
    label, jobs = sources.TYPES[row.type], sources.stopped_by_removal(row)
    return render(request, "sources/remove.html", {"source": row, "label": label, "jobs": jobs})


def _sources_page(
    request: HttpRequest, typed: Mapping[str, str], errors: Mapping[str, str]
) -> HttpResponse:
    rows, included = Source.objects.select_related("created_by"), sources.included()
    context = {
        "listed": [
            (row, sources.TYPES.get(row.type, row.type), special_range(row.address)) for row in rows
        ],
        "included": [
            (label, one)
            for name, label in sources.TYPES.items()
            for one in included
            if one.type == name
        ],
        "typed": typed,
        "errors": errors,
        "types": [
            (name, sources.TYPES[name], sources.EXAMPLES[name]) for name in sources.addable_types()
        ],
        "may_change": allowed(request.user, "source.manage"),
    }
    return render(request, "sources/list.html", context, status=422 if errors else 200)


def _typed_source(data: Mapping[str, str]) -> dict[str, str]:
    return {name: data.get(name, "").strip() for name in ("type", "address", "note")}


secret_urlpatterns: list[URLPattern] = [
    path("", secret_list, name="secret-list"),
    path("set/", secret_keep, name="secret-keep"),
    path("<str:name>/delete/", secret_delete, name="secret-delete"),
]
source_urlpatterns: list[URLPattern] = [
    path("", source_list, name="source-list"),
    path("add/", source_add, name="source-add"),
    path("<int:source_id>/remove/", source_remove, name="source-remove"),
]
