"""Pages about people: logging in, one's own password, and the list of everyone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import (
    AuthenticationForm,
    BaseUserCreationForm,
    PasswordChangeForm,
    SetPasswordForm,
)
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView, LogoutView, PasswordChangeView
from django.db.models import Count, Max
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django.views.i18n import JavaScriptCatalog, set_language

from dashboard.consumers.session_guard import check_soon
from dashboard.security import login_throttle
from dashboard.security.audit_log import record
from dashboard.security.permissions import requires

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
        if wait_s := login_throttle.seconds_to_wait(*who):
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


class Logout(LogoutView):
    """Log out, in all open pages of this login."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """End the session, then everything that listens with it."""
        answer = super().post(request, *args, **kwargs)
        check_soon()
        return answer


class Password(PasswordChangeView):
    """Change one's own password."""

    template_name = "account/password.html"
    form_class = PasswordChangeForm
    success_url = reverse_lazy("overview")

    def form_valid(self, form: PasswordChangeForm) -> HttpResponse:
        """Change it and say so."""
        messages.success(self.request, gettext("Password changed."))
        answer = super().form_valid(form)
        record(self.request.user, "account.password", f"user {self.request.user.pk}")
        check_soon()
        return answer


class PersonForm(BaseUserCreationForm):  # type: ignore[type-arg]  # not generic at run time
    """Form of a new person."""

    is_staff = forms.BooleanField(
        required=False,
        label=_("Admin"),
        help_text=_("can add hosts and people, and stop jobs and deployments of others"),
    )

    class Meta:
        model = User
        fields = ("username", "is_staff")


@require_GET
@requires("user.manage")
def people(request: HttpRequest) -> HttpResponse:
    """Everyone who may log in."""
    return _people(request, PersonForm())


def _people(request: HttpRequest, form: PersonForm, status: int = 200) -> HttpResponse:
    users = User.objects.annotate(
        jobs_count=Count("jobs"), last_job_at=Max("jobs__created_at")
    ).order_by("-is_active", "username")
    return render(request, "account/people.html", {"people": users, "form": form}, status=status)


@require_POST
@requires("user.manage")
def person_add(request: HttpRequest) -> HttpResponse:
    """Add a person, as member or admin."""
    form = PersonForm(request.POST)
    if not form.is_valid():
        return _people(request, form, status=422)
    person = form.save()
    record(request.user, "user.manage", f"user {person.pk}", did="add", is_staff=person.is_staff)
    messages.success(request, gettext("%(name)s can log in now.") % {"name": person.username})
    return redirect("people")


@require_http_methods(["GET", "POST"])
@requires("user.manage")
def person_password(request: HttpRequest, user_id: int) -> HttpResponse:
    """Reset a person's password."""
    person = get_object_or_404(User, pk=user_id)
    form = SetPasswordForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        form.save()
        check_soon()
        record(request.user, "user.manage", f"user {person.pk}", did="password")
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
    """Change a role, or who may log in: ``set`` is "admin", "member", "on" or "off"."""
    person = get_object_or_404(User, pk=user_id)
    wanted = request.POST.get("set", "")
    changes = {
        "admin": {"is_staff": True},
        "member": {"is_staff": False},
        "on": {"is_active": True},
        "off": {"is_active": False},
    }.get(wanted)
    if changes is None:
        messages.error(request, gettext("Unknown action."))
    elif person == request.user:
        messages.error(
            request, gettext("You cannot change your own account here. Ask another admin.")
        )
    else:
        User.objects.filter(pk=person.pk).update(**cast(Any, changes))
        check_soon()
        record(request.user, "user.manage", f"user {person.pk}", did=wanted)
    return redirect("people")


@login_not_required
@cache_control(max_age=3600, private=True)
def catalog(request: HttpRequest) -> HttpResponseBase:
    """The words that scripts use, in the viewer's language (the address ends with it)."""
    return JavaScriptCatalog.as_view()(request)


urlpatterns: list[URLPattern] = [
    path("login/", Login.as_view(), name="login"),
    path("logout/", Logout.as_view(), name="logout"),
    path("account/password/", requires("account.view")(Password.as_view()), name="password"),
    path("people/", people, name="people"),
    path("people/add/", person_add, name="person-add"),
    path("people/<int:user_id>/password/", person_password, name="person-password"),
    path("people/<int:user_id>/change/", person_change, name="person-change"),
    path("language/", login_not_required(set_language), name="set_language"),
    path("jsi18n/", catalog, name="jsi18n"),
]
