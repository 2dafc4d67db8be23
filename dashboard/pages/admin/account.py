"""Logging in and out, and one's own password."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, path, reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.i18n import JavaScriptCatalog, set_language

from dashboard.consumers.session_guard import check_soon
from dashboard.security import login_throttle
from dashboard.security.audit_log import record, record_often
from dashboard.security.permissions import requires
from dashboard.server.proxies import EVERYONES
from jobs.access.accounts import revoke_tokens

STAY_S = 14 * 86400


class LoginForm(AuthenticationForm):
    """Name, password, and whether to stay."""

    stay = forms.BooleanField(required=False, initial=True, label=_("Stay logged in for 14 days"))
    error_messages = {  # noqa: RUF012 -- Django's own attribute
        **AuthenticationForm.error_messages,
        "invalid_login": _("Wrong name or password."),
    }


class Login(LoginView):
    """The login page. Without *stay* the session ends with the browser."""

    template_name = "account/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log in, unless too many tries came before: then say for how long."""
        cookie = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")
        who = request.POST.get("username", ""), request.META.get("REMOTE_ADDR", ""), cookie
        is_everyones = getattr(request, "scope", {}).get(EVERYONES, False)
        if wait_s := login_throttle.seconds_to_wait(*who, is_everyones=is_everyones):
            record_often(None, "account.refused", _account(who[0]), did="delayed", key="delayed")
            # Without its data: the password is not even looked at.
            form = self.authentication_form(request, initial={"username": who[0]})
            context = self.get_context_data(form=form, wait_s=wait_s)
            headers = {"Retry-After": str(wait_s)}
            return self.render_to_response(
                context, status=HTTPStatus.TOO_MANY_REQUESTS, headers=headers
            )
        answer = super().post(request, *args, **kwargs)
        if request.user.is_authenticated:
            login_throttle.forget(*who)
            answer.set_cookie(
                settings.BROWSER_COOKIE_NAME,
                login_throttle.browser_of(who[0], cookie),
                max_age=login_throttle.BROWSER_AGE_S,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return answer

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Log in, for as long as was asked."""
        answer = super().form_valid(form)
        record(self.request.user, "account.login", f"user {self.request.user.pk}")
        self.request.session.set_expiry(STAY_S if form.cleaned_data["stay"] else 0)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Record the failed try; then show the page again."""
        name = self.request.POST.get("username", "")
        record_often(None, "account.refused", _account(name), key=name)
        return super().form_invalid(form)


def _account(name: str) -> str:
    """Return the account as the subject of an entry. An unknown name may be a password."""
    number = User.objects.filter(username=name).values_list("pk", flat=True).first()
    return f"user {number or 'unknown'}"


class Logout(LogoutView):
    """Log out, in all open pages of this login."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End the session, then everything that listens with it."""
        answer = super().post(request, *args, **kwargs)
        check_soon()
        return answer


class PasswordForm(PasswordChangeForm):
    """One's own password, and whether API tokens end with the old one."""

    revoke_tokens = forms.BooleanField(
        required=False,
        label=_("Also revoke my API tokens"),
        help_text=_("Other sessions of yours end in any case."),
    )


class Password(PasswordChangeView):
    """Change one's own password. Other sessions end; API tokens end if asked for."""

    template_name = "account/password.html"
    form_class = PasswordForm
    success_url = reverse_lazy("overview")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Change it and say so."""
        messages.success(self.request, gettext("Password changed."))
        answer = super().form_valid(form)
        user = cast(User, self.request.user)
        tokens = revoke_tokens(user) if form.cleaned_data["revoke_tokens"] else 0
        record(user, "account.password", f"user {user.pk}", tokens=tokens)
        check_soon()
        return answer


@login_not_required
@cache_control(max_age=3600, private=True)
def catalog(request: HttpRequest) -> HttpResponseBase:
    """The words that scripts use, in the viewer's language (the address ends with it)."""
    return JavaScriptCatalog.as_view()(request)


urlpatterns: list[URLPattern] = [
    path("login/", Login.as_view(), name="login"),
    path("logout/", Logout.as_view(), name="logout"),
    path("account/password/", requires("account.view")(Password.as_view()), name="password"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("jsi18n/", catalog, name="jsi18n"),
]
