"""Login, language, and a person's own account: password and API tokens."""

from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import AbstractBaseUser, User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse_lazy
from django.utils.timezone import now
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control, never_cache
from django.views.i18n import JavaScriptCatalog, set_language

from dashboard.actions import access as actions
from dashboard.security import login_throttle
from dashboard.security.audit_log import record, record_often
from dashboard.security.listeners import check_soon
from dashboard.security.permissions import allowed, requires
from dashboard.server.front import EVERYONES
from jobs.access.accounts import revoke_tokens
from jobs.models import ApiToken

STAY_S = 14 * 86400


class LoginForm(AuthenticationForm):
    """Name, password, and whether to stay."""

    stay = forms.BooleanField(required=False, initial=True, label=_("Stay logged in for 14 days"))
    error_messages = {  # noqa: RUF012 -- Django's own attribute
        **AuthenticationForm.error_messages,
        "invalid_login": _("Wrong name or password."),
    }


class LoginPage(LoginView):
    """Without *stay* the session ends with the browser."""

    template_name = "account/login.html"
    authentication_form = LoginForm
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Log in, unless too many tries came before: then name the wait."""
        cookie = request.COOKIES.get(settings.BROWSER_COOKIE_NAME, "")
        who = request.POST.get("username", ""), request.META.get("REMOTE_ADDR", ""), cookie
        is_everyones = getattr(request, "scope", {}).get(EVERYONES, False)
        if wait_s := login_throttle.seconds_to_wait(*who, is_everyones=is_everyones):
            record_often(None, "account.refused", _account(who[0]), did="delayed", key="delayed")
            # Without its data: the password is not even looked at.
            form = self.authentication_form(request, initial={"username": who[0]})
            context = self.get_context_data(form=form, wait_s=wait_s)
            headers = {"Retry-After": str(wait_s)}
            return self.render_to_response(context, status=429, headers=headers)
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
        answer = super().form_valid(form)
        record(self.request.user, "account.login", f"user {self.request.user.pk}")
        self.request.session.set_expiry(STAY_S if form.cleaned_data["stay"] else 0)
        return answer

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        name = self.request.POST.get("username", "")
        record_often(None, "account.refused", _account(name), key=name)
        return super().form_invalid(form)


def _account(name: str) -> str:
    """Return the account as the subject of an entry. An unknown name may be a password."""
    number = User.objects.filter(username=name).values_list("pk", flat=True).first()
    return f"user {number or 'unknown'}"


class Logout(LogoutView):
    """Ends the session, then all that listens with it in open pages."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
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


_DAYS = (
    *(("30", _("30 days")), ("90", _("90 days")), ("365", _("1 year"))),
    ("", pgettext_lazy("expiry", "never")),
)


_SAME = "same"
LIMITS = ("allowed_models", "requests_per_minute", "tokens_per_minute", "token_budget")


def _limit(label: Any, most: int) -> forms.IntegerField:
    return forms.IntegerField(min_value=1, max_value=most, required=False, label=label)


class TokenLimits(forms.Form):
    """Limits of a token of the scope *models*, and its expiry from now on."""

    days = forms.ChoiceField(
        choices=[(_SAME, _("unchanged")), *_DAYS],
        required=False,
        initial=_SAME,
        label=_("Expires after"),
    )
    allowed_models = forms.CharField(
        max_length=2000,
        required=False,
        label=_("Models"),
        help_text=_("Served names or catalogue IDs, separated by commas. Empty: all models."),
    )
    requests_per_minute = _limit(_("Requests per minute"), 2**31 - 1)
    tokens_per_minute = _limit(_("Tokens per minute"), 2**31 - 1)
    token_budget = _limit(_("Token budget"), 2**53)

    def clean_allowed_models(self) -> list[str]:
        names = (name.strip() for name in self.cleaned_data["allowed_models"].split(","))
        return sorted({name for name in names if name})

    @property
    def limits(self) -> dict[str, Any]:
        """Return fields of the token's row."""
        return {name: self.cleaned_data[name] for name in LIMITS}

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["days"]
        return now() + timedelta(days=int(days)) if days else None


class TokenForm(TokenLimits):
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
            ApiToken.Scope.MODELS: gettext("models: chat with deployed models over the gateway"),
        }
        choices = [(scope, names[scope]) for scope in actions.scopes_of(user)]
        cast(forms.ChoiceField, self.fields["scope"]).choices = choices

    @property
    def limits(self) -> dict[str, Any]:
        """Return none for a scope that does not open models."""
        return super().limits if self.cleaned_data["scope"] == ApiToken.Scope.MODELS else {}


@requires("token.create", "GET")
def token_list(request: HttpRequest) -> HttpResponse:
    return _tokens(request, TokenForm(_user(request)))


def _tokens(request: HttpRequest, form: TokenForm, *, made: str = "") -> HttpResponse:
    tokens = list(actions.tokens_for(_user(request)))
    context = {
        "tokens": tokens,
        "endless": sum(token.expires_at is None for token in tokens),
        "form": form,
        "made": made,
        "limits": [form[name] for name in LIMITS],
        "sees_all": allowed(request.user, "token.manage"),
    }
    return render(request, "account/tokens.html", context, status=422 if form.errors else 200)


@requires("token.create", "POST")
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make one and show it, this once: it is kept nowhere, so it is not redirected to."""
    user = _user(request)
    form = TokenForm(user, request.POST)
    if not form.is_valid():
        return _tokens(request, form)
    given = form.cleaned_data
    made = actions.create_token(
        *(user, given["name"]), scope=given["scope"], expires_at=form.expires_at, limits=form.limits
    )
    return _tokens(request, TokenForm(user), made=made)


@requires("token.change", "GET", "POST")
def token_change(request: HttpRequest, token_id: int) -> HttpResponse:
    row = get_object_or_404(actions.tokens_for(_user(request)), pk=token_id)
    has_limits = row.scope == ApiToken.Scope.MODELS
    stored = {name: getattr(row, name) for name in LIMITS}
    stored["allowed_models"] = ", ".join(row.allowed_models)
    form = TokenLimits(request.POST or None, initial=stored)
    if form.is_valid():
        expiry = form.cleaned_data["days"]
        more = {} if expiry == _SAME else {"expires_at": form.expires_at}
        actions.change_token(_user(request), row, (form.limits if has_limits else {}) | more)
        messages.success(request, gettext("The token %(name)s is changed.") % {"name": row.name})
        return redirect("token-list")
    limits = [form[name] for name in LIMITS] if has_limits else []
    context = {"token": row, "form": form, "limits": limits}
    return render(request, "account/token.html", context, status=422 if form.errors else 200)


@requires("token.delete", "GET", "POST")
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    row = get_object_or_404(actions.tokens_for(_user(request)), pk=token_id)
    if request.method == "POST":
        actions.revoke_token(_user(request), row)
        messages.success(request, gettext("The token %(name)s is revoked.") % {"name": row.name})
        return redirect("token-list")
    return render(request, "account/token_revoke.html", {"token": row})


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


urlpatterns: list[URLPattern] = [
    path("login/", LoginPage.as_view(), name="login"),
    path("logout/", Logout.as_view(), name="logout"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("jsi18n/", catalog, name="jsi18n"),
    path("account/password/", requires("account.view")(Password.as_view()), name="password"),
    path("account/tokens/", token_list, name="token-list"),
    path("account/tokens/create/", token_create, name="token-create"),
    path("account/tokens/<int:token_id>/", token_change, name="token-change"),
    path("account/tokens/<int:token_id>/revoke/", token_revoke, name="token-revoke"),
]
