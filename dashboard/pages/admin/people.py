"""The page *People*: everyone who may log in, and their roles."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.contrib.auth.forms import BaseUserCreationForm, SetPasswordForm
from django.contrib.auth.models import User
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import people as actions
from dashboard.consumers.session_guard import check_soon
from dashboard.security.audit_log import record
from dashboard.security.permissions import requires
from dashboard.text.labels import ROLES
from jobs.access.accounts import LastAdministrator, revoke_tokens
from jobs.models import Account

Role = Account.Role


class PersonForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """Form of a new person."""

    role = forms.ChoiceField(
        choices=[(str(role), words) for role, words in ROLES.items()],
        initial=Role.MEMBER,
        label=_("Role"),
    )

    class Meta:
        model = User
        fields = ("username",)


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]  # not generic at run time
    """Another person's password, and whether their API tokens end with the old one."""

    revoke_tokens = forms.BooleanField(
        required=False,
        label=_("Also revoke this person's API tokens"),
    )


@require_GET
@requires("user.manage")
def people(request: HttpRequest) -> HttpResponse:
    """Everyone who may log in."""
    return _people(request, PersonForm())


def _people(request: HttpRequest, form: PersonForm, status: int = 200) -> HttpResponse:
    users = (
        User.objects.select_related("account")
        .annotate(jobs_count=Count("jobs"), last_job_at=Max("jobs__created_at"))
        .order_by("-is_active", "username")
    )
    context = {"people": users, "form": form, "roles": ROLES.items()}
    return render(request, "account/people.html", context, status=status)


@require_POST
@requires("user.manage")
def person_add(request: HttpRequest) -> HttpResponse:
    """Add a person with a role."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _people(request, form, status=422)
    person = actions.add(request.user, form.save(commit=False), Role(form.cleaned_data["role"]))
    messages.success(request, gettext("%(name)s can log in now.") % {"name": person.username})
    return redirect("people")


@require_http_methods(["GET", "POST"])
@requires("user.manage")
def person_password(request: HttpRequest, user_id: int) -> HttpResponse:
    """Reset a person's password."""
    person = get_object_or_404(User, pk=user_id)
    form = NewPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        check_soon()
        tokens = revoke_tokens(person) if form.cleaned_data["revoke_tokens"] else 0
        record(request.user, "user.manage", f"user {person.pk}", did="password", tokens=tokens)
        messages.success(
            request,
            gettext("Password of %(name)s reset. %(name)s is logged out everywhere.")
            % {"name": person.username},
        )
        return redirect("people")
    return render(request, "account/person_password.html", {"person": person, "form": form})


@require_POST
@requires("user.manage")
def person_change(request: HttpRequest, user_id: int) -> HttpResponse:
    """Change a role or close an account: ``set`` is a role, "on" or "off"."""
    person = get_object_or_404(User, pk=user_id)
    wanted = request.POST.get("set", "")
    if wanted not in (*Role.values, "on", "off"):
        messages.error(request, gettext("Unknown action."))
    elif person == request.user:
        messages.error(
            request, gettext("You cannot change your own account here. Ask another admin.")
        )
    else:
        try:
            if wanted in Role.values:
                actions.set_role(request.user, person, Role(wanted))
            else:
                actions.set_active(request.user, person, active=wanted == "on")
        except LastAdministrator as refused:
            messages.error(request, str(refused))
    return redirect("people")


urlpatterns: list[URLPattern] = [
    path("people/", people, name="people"),
    path("people/add/", person_add, name="person-add"),
    path("people/<int:user_id>/password/", person_password, name="person-password"),
    path("people/<int:user_id>/change/", person_change, name="person-change"),
]
