"""Downloads of reports: an address for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_origin

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_safe
from pydantic import ValidationError

from dashboard.pages.shared.old_addresses import with_old_queries
from dashboard.reports.kinds import KINDS
from dashboard.reports.kinds.base import Asked, Kind, ReportError
from dashboard.reports.make import download, make
from dashboard.security.permissions import requires
from jobs.base.validation_errors import messages


def _view(kind: Kind) -> Callable[..., HttpResponseBase]:
    """Return the view of a kind; the address has all that it is asked for."""

    @require_safe
    @requires(kind.action)
    @with_old_queries(*kind.results)
    def report(request: HttpRequest) -> HttpResponse:
        try:
            return download(make(kind, _asked(kind, request.GET)))
        except ValidationError as error:
            problems = [f"{name}: {text}" for name, text in messages(error).items()]
        except ReportError as error:
            problems = [str(error)]
        return render(request, "reports/refused.html", {"problems": problems}, status=400)

    return report


def _asked(kind: Kind, query: QueryDict) -> Asked:
    """Return the parameters of an address; others are ignored."""
    fields = kind.asked.model_fields
    given: dict[str, Any] = {
        name: query.getlist(name) if get_origin(fields[name].annotation) is list else query[name]
        for name in fields
        if name in query
    }
    return kind.asked.model_validate(given)


urlpatterns: list[URLPattern] = [
    path(f"{kind.name}/", _view(kind), name=f"report-{kind.name}") for kind in KINDS.values()
]
