"""The page of API tokens: one's own; an administrator sees all."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.timezone import now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import tokens
from dashboard.security.permissions import allowed, requires
from jobs.models import ApiToken

_DAYS = (
    *(("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year"))),
    ("", pgettext_lazy("expiry", "never")),
)


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(
        max_length=100,
        label=_("Name"),
        help_text=_("Name of the script or tool that uses the token."),
    )
    scope = forms.ChoiceField(label=_("Scope"), initial=ApiToken.Scope.READ)
    days = forms.ChoiceField(choices=_DAYS, required=False, initial="90", label=_("Expires after"))

    def __init__(self, user: AbstractBaseUser, data: Any = None) -> None:
        super().__init__(data)
        names = {
            ApiToken.Scope.READ: gettext("read: lists, jobs, logs and results"),
            ApiToken.Scope.LAUNCH: gettext("launch: read, plus the actions of a member"),
            ApiToken.Scope.ADMIN: gettext("admin: all actions that you may do"),
        }
        choices = [(scope, names[scope]) for scope in tokens.scopes_of(user)]
        cast(forms.ChoiceField, self.fields["scope"]).choices = choices


@require_GET
@requires("token.create")
def token_list(request: HttpRequest) -> HttpResponse:
    """List tokens, with a form for another one."""
    return _list(request, TokenForm(_user(request)))


def _list(
    request: HttpRequest, form: TokenForm, *, made: str = "", status: int = 200
) -> HttpResponse:
    rows = list(tokens.seen_by(_user(request)))
    context = {
        "tokens": rows,
        "form": form,
        "made": made,
        "sees_all": allowed(request.user, "token.manage"),
    }
    return render(request, "account/tokens.html", context, status=status)


@require_POST
@requires("token.create")
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make one and show it, this once: it is kept nowhere, so it is not redirected to."""
    user = _user(request)
    form = TokenForm(user, request.POST)
    if not form.is_valid():
        return _list(request, form, status=422)
    given = form.cleaned_data
    expires_at = now() + timedelta(days=int(given["days"])) if given["days"] else None
    made = tokens.create(
        user, given["name"], scope=given["scope"], expires_at=expires_at, by="page"
    )
    return _list(request, TokenForm(user), made=made)


@require_http_methods(["GET", "POST"])
@requires("token.delete")
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    """Ask (GET), then revoke a token (POST)."""
    row = get_object_or_404(tokens.seen_by(_user(request)), pk=token_id)
    if request.method == "POST":
        tokens.revoke(_user(request), row, by="page")
        messages.success(request, gettext("The token %(name)s is revoked.") % {"name": row.name})
        return redirect("token-list")
    return render(request, "account/token_revoke.html", {"token": row})


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


urlpatterns: list[URLPattern] = [
    path("account/tokens/", token_list, name="token-list"),
    path("account/tokens/create/", token_create, name="token-create"),
    path("account/tokens/<int:token_id>/revoke/", token_revoke, name="token-revoke"),
]
