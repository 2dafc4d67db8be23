"""Person of a request: login, key and numbers from its address; hosts, read once a request."""

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from jobs.base.numbers import number_from
from jobs.models import Host


class Accounts(ModelBackend):
    """Django's login by name and password, which reads a user and their role in one query."""

    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session; None: unknown or deactivated."""
        user = User.objects.select_related("account").filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None

    async def aget_user(self, user_id: int) -> User | None:
        return await sync_to_async(self.get_user)(user_id)


def logged_in(user: AbstractBaseUser | AnonymousUser) -> AbstractBaseUser | None:
    """Return ``user`` if logged in; None for a stranger, whose views ``requires`` limits."""
    return user if user.is_authenticated else None


def member(user: AbstractBaseUser | AnonymousUser) -> AbstractBaseUser:
    """Return ``user``. Raises ``PermissionDenied`` for a stranger, who owns nothing."""
    known = logged_in(user)
    if known is None:
        raise PermissionDenied
    return known


def person(request: HttpRequest) -> AbstractBaseUser | None:
    """Return the logged-in user of a request; None for a stranger."""
    return logged_in(request.user)


def all_hosts(request: HttpRequest) -> list[Host]:
    """Return all hosts, read once a request: a list shows them, and the frame of each page."""
    hosts: list[Host] | None = getattr(request, "hosts", None)
    if hosts is None:
        hosts = request.hosts = list(Host.objects.all())  # type: ignore[attr-defined]
    return hosts


def cursor_of(request: HttpRequest) -> int:
    """Return the bytes after which points are asked for, ``?after=``; -1: from the first on. Raises
    ``Http404``: it is no such number."""
    text = request.GET.get("after", "-1")
    cursor = -1 if text.startswith("-") else number_from(text)
    if cursor is None:
        raise Http404("after must be a number of bytes")
    return cursor


def back_of(request: HttpRequest) -> HttpResponseRedirect | None:
    """Return to the address ``next`` of a post; None: it is none of this site."""
    back = request.POST.get("next", "")
    # redirect() takes a word for the name of a page.
    is_own = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return HttpResponseRedirect(back) if is_own else None


def keep_choice(answer: HttpResponse, name: str, value: str) -> None:
    """Store a choice of the person's in this browser, for a year."""
    answer.set_cookie(
        *(name, value),
        max_age=365 * 86400,
        path=reverse("overview"),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def bearer(request: HttpRequest) -> str:
    """Return the secret of an ``Authorization: Bearer`` header; "" without one."""
    scheme, _space, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""
