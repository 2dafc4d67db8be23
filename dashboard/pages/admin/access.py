"""People; secrets of jobs; permitted sources of code and data."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import BaseUserCreationForm, SetPasswordForm
from django.contrib.auth.models import User
from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from dashboard.actions import access as actions
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import member
from dashboard.text.labels import ROLES
from jobs.access import secret_keys, secrets, sources
from jobs.access.accounts import LastAdministrator, role_of
from jobs.access.sources import special_range
from jobs.base.errors import LaunchError
from jobs.models import Account, Deployment, Host, Job, Secret, Source
from jobs.plans import from_json
from jobs.plans import secrets as named_in


class PersonForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """Form of a new person."""

    role = forms.ChoiceField(
        choices=[(str(role), words) for role, words in ROLES.items()],
        initial=Account.Role.MEMBER,
        label=_("Role"),
    )

    class Meta:
        model = User
        fields = ("username",)


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """Another person's password, and whether their API tokens end with the old one."""

    revoke_tokens = forms.BooleanField(
        required=False, label=_("Also revoke this person's API tokens")
    )


# What a change of an account does, by what it is asked with.
_CHANGES = {
    "viewer": (_("Make %(name)s a viewer?"), _("A viewer reads everything and chats.")),
    "member": (_("Make %(name)s a member?"), _("A member launches jobs, and changes their own.")),
    "admin": (
        _("Make %(name)s an admin?"),
        _("An admin may do everything: people, secrets, sources, hosts, and the jobs of others."),
    ),
    "off": (
        _("Deactivate %(name)s?"),
        _("Every session ends now, and API tokens stop working. Jobs, results and chats stay."),
    ),
}


@requires("user.manage", "GET")
def people(request: HttpRequest) -> HttpResponse:
    return _people(request, PersonForm())


def all_people() -> QuerySet[User]:
    """Return accounts with their roles, numbers of jobs and last jobs, deactivated ones last."""
    rows = User.objects.select_related("account")
    rows = rows.annotate(jobs_count=Count("jobs"), last_job_at=Max("jobs__created_at"))
    return rows.order_by("-is_active", "username")


def _people(request: HttpRequest, form: PersonForm) -> HttpResponse:
    users = all_people()
    context = {
        "people": users,
        "active": sum(person.is_active for person in users),
        "form": form,
        "roles": ROLES.items(),
    }
    return render(request, "account/people.html", context, status=422 if form.errors else 200)


@requires("user.manage", "POST")
def person_add(request: HttpRequest) -> HttpResponse:
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _people(request, form)
    role = Account.Role(form.cleaned_data["role"])
    person = actions.add_person(request.user, form.save(commit=False), role)
    messages.success(request, gettext("%(name)s can log in now.") % {"name": person.username})
    return redirect("people")


@requires("user.manage", "GET", "POST")
def person_password(request: HttpRequest, user_id: int) -> HttpResponse:
    person = get_object_or_404(User, pk=user_id)
    form = NewPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        also = form.cleaned_data["revoke_tokens"]
        actions.reset_password(request.user, form.save(commit=False), revokes_tokens=also)
        text = gettext("Password of %(name)s reset. %(name)s is logged out everywhere.")
        messages.success(request, text % {"name": person.username})
        return redirect("people")
    return render(request, "account/person_password.html", {"person": person, "form": form})


@requires("user.manage", "GET", "POST")
def person_change(request: HttpRequest, user_id: int) -> HttpResponse:
    """Ask (GET), then change a role or close an account: ``set`` is a role, "on" or "off"."""
    person = get_object_or_404(User.objects.select_related("account"), pk=user_id)
    asked = request.POST if request.method == "POST" else request.GET
    wanted = asked.get("set", "")
    if request.method != "POST":
        unchanged = wanted == role_of(person) and person.is_active
        if wanted not in _CHANGES or person == request.user or unchanged:
            return redirect("people")
        title, about = _CHANGES[wanted]
        context = {
            "person": person,
            "wanted": wanted,
            "title": title % {"name": person.username},
            "about": about,
            "open_jobs": person.jobs.filter(state__in=Job.OPEN_STATES).count(),
        }
        return render(request, "account/person_change.html", context)
    try:
        actions.change_person(member(request.user), person, wanted)
    except (LastAdministrator, LaunchError) as refused:
        messages.error(request, str(refused))
    return redirect("people")


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
    if typed["all_hosts"] and typed["hosts"]:
        errors["hosts"] = gettext("Hosts are ticked: choose “Only these hosts”, or untick them.")
    if typed["everyone"] and typed["people"]:
        errors["people"] = gettext("People are ticked: choose “Only these people”, or untick them.")
    if errors:
        return _secrets_page(request, typed, errors)
    try:
        is_new = actions.keep_secret(
            request.user,
            name,
            value or None,
            purpose=typed["purpose"],
            endpoints=typed["endpoints"].split(),
            hosts=None if typed["all_hosts"] else typed["hosts"],
            people=None if typed["everyone"] else typed["people"],
        )
    except LaunchError as error:
        return _secrets_page(request, typed, {error.field: str(error)})
    text = gettext("%(name)s saved.") if is_new else gettext("%(name)s updated.")
    messages.success(request, text % {"name": name})
    return redirect("secret-list")


@requires("secret.manage", "GET", "POST")
def secret_delete(request: HttpRequest, name: str) -> HttpResponse:
    if name not in secrets.names():
        raise Http404(name)
    if request.method == "POST":
        actions.delete_secret(request.user, name)
        messages.success(request, gettext("%(name)s deleted.") % {"name": name})
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
    added = gettext("%(address)s added.") % {"address": row.address}
    if found := special_range(row.address):
        warning = gettext("It is %(what)s.") % {"what": found}
        messages.warning(request, f"{added} {warning}")
    else:
        messages.success(request, added)
    return redirect("source-list")


@requires("source.manage", "GET", "POST")
def source_remove(request: HttpRequest, source_id: int) -> HttpResponse:
    row = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        actions.remove_source(request.user, source_id)
        messages.success(request, gettext("%(address)s removed.") % {"address": row.address})
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


urlpatterns: list[URLPattern] = [
    path("people/", people, name="people"),
    path("people/add/", person_add, name="person-add"),
    path("people/<int:user_id>/password/", person_password, name="person-password"),
    path("people/<int:user_id>/change/", person_change, name="person-change"),
]
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
