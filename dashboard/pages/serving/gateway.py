"""Use of the gateway: chart, table, CSV."""

from itertools import chain

from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path, reverse

from dashboard.charts.gateway import tokens_by_hour
from dashboard.pages.shared.export import as_csv
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import member
from jobs.base.numbers import number_from
from jobs.queries.gateway import MOST_ROWS, gateway_use, whole_days

_DAYS = (1, 7, 30)  # to choose; an address may have others
_COUNTS = ("requests", "failed", "held", "prompt_tokens", "completion_tokens", "estimated_tokens")


@requires("gateway.view", "GET")
def gateway(request: HttpRequest) -> HttpResponseBase:
    """Show the use of one's own keys, an administrator's page of all. ``?days=``; ``format=csv``
    exports each hour."""
    sees_all = allowed(request.user, "token.manage")
    days = whole_days(number_from(request.GET.get("days", "")))
    rows = gateway_use(member(request.user), days=days, sees_all=sees_all)
    if request.GET.get("format") == "csv":
        head = ("hour", "key", "person", "model", *_COUNTS)
        names = ("token_name", "user__username", "model", *_COUNTS)
        lines = ((row[0].isoformat(), *row[1:]) for row in rows.values_list("hour", *names))
        return as_csv(chain([head], lines), "gateway-use")
    sums = rows.order_by().values("token_name", "model", person=F("user__username"))
    counted = ("requests", "failed", "held", "estimated_tokens")
    totals = rows.aggregate(**{name: Sum(name, default=0) for name in counted})
    context = {
        **totals,
        "days": days,
        "day_choices": _DAYS,
        "csv": f"?format=csv&days={days}",
        "lines": sums.annotate(**{f"sum_{name}": Sum(name) for name in _COUNTS}).order_by(
            *("-sum_completion_tokens", "token_name", "model")
        )[:MOST_ROWS],
        "figure": tokens_by_hour(rows[:MOST_ROWS], days) if rows else None,
        "sees_all": sees_all,
        "address": request.build_absolute_uri(reverse("overview")) + "v1",
    }
    return render(request, "gateway/index.html", context)


urlpatterns: list[URLPattern] = [path("", gateway, name="gateway")]
