"""People who may launch on a host: a form for administrators."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.security.audit_log import record
from dashboard.security.permissions import requires
from dashboard.text.labels import host_title
from jobs.models import Account, Host
from jobs.schedule.launch_rights import launcher_names, restrict


@require_http_methods(["GET", "HEAD", "POST"])
@requires("host.launchers")
def host_launchers(request: HttpRequest, name: str) -> HttpResponse:
    """Choose people (GET), then store them (POST): ``everyone``, or ``people`` by name."""
    host = get_object_or_404(Host, name=name)
    stored = launcher_names(host)
    if request.method != "POST":
        return _form(request, host, stored)
    names = request.POST.getlist("people")
    if request.POST.get("everyone") == "on":
        if names:
            text = _("People are ticked: choose “Only these people”, or untick them.")
            return _form(request, host, names, error=text, everyone=True)
        people: list[User] | None = None
    else:
        people = list(User.objects.filter(username__in=names))
        if unknown := set(names) - {user.username for user in people}:
            text = _("No person is named “%(name)s”.") % {"name": min(unknown)}
            return _form(request, host, names, error=text)
    _before, changed = restrict(host.pk, people)
    if changed:
        given = None if people is None else sorted(user.username for user in people)
        did = "open" if given is None else "restrict"
        record(request.user, "host.launchers", f"host {host.name}", did=did, people=given)
    return redirect("host-detail", host.name)


def _form(
    request: HttpRequest,
    host: Host,
    chosen: Collection[str] | None,
    *,
    error: str = "",
    everyone: bool = False,
) -> HttpResponse:
    members = User.objects.filter(is_active=True, account__role=Account.Role.MEMBER)
    names = set(members.values_list("username", flat=True)) | set(launcher_names(host) or ())
    context = {
        "host": host,
        "name": host_title(host),
        "everyone": everyone or chosen is None,
        "chosen": chosen or (),
        "people": sorted(names),
        "error": error,
    }
    return render(request, "hosts/launchers.html", context, status=422 if error else 200)


urlpatterns: list[URLPattern] = [
    path("<slug:name>/launchers/", host_launchers, name="host-launchers"),
]
