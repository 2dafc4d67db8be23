"""Pages about hosts."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET

from dashboard.rights import requires
from jobs.models import Host


@require_GET
@requires("host.view")
def host_list(request: HttpRequest) -> HttpResponse:
    """Every host, with what runs there."""
    return render(request, "hosts/list.html", {"hosts": Host.objects.all()})


@require_GET
@requires("host.view")
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One host: what it has, what it holds, what runs there."""
    host = get_object_or_404(Host, name=name)
    return render(request, "hosts/detail.html", {"host": host})


urlpatterns: list[URLPattern] = [
    path("", host_list, name="host-list"),
    path("<slug:name>/", host_detail, name="host-detail"),
]
