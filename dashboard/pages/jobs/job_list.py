"""List of jobs; ``dashboard.pages.jobs.job_page`` has pages of one job."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext

from dashboard.pages.shared.columns import JOBS, chosen, heads
from dashboard.security.permissions import requires
from dashboard.text.labels import kind_title, style_of
from jobs.kinds import KINDS
from jobs.models import Host, Job
from jobs.queries.jobs.jobs import (
    COLUMNS,
    FAILED_OR_LOST,
    GROUPS,
    NEEDS_CONFIRMATION,
    NEWEST,
    OPEN,
    Filters,
    sorted_jobs,
)
from jobs.queries.sorting import read_order
from jobs.schedule.forecast import forecasts

FIELDS = {
    **{name: name for name in ("state", "kind", "host", "person", "pinned")},
    "text": "q",
}


@requires("job.view", "GET")
def job_list(request: HttpRequest) -> HttpResponse:
    """List jobs, newest first. URL parameters: keys of FIELDS, ``order``, ``after`` (next page)."""
    asked = {name: request.GET.get(key, "").strip() for name, key in FIELDS.items()}
    dropped = _unknown(asked)
    filters = Filters(**{name: "" if name in dropped else text for name, text in asked.items()})
    order = read_order(request.GET.get("order", ""), COLUMNS, NEWEST)
    after = request.GET.get("after", "")
    jobs, following = sorted_jobs(filters, order, after)
    query = request.GET.copy()
    query.pop("after", None)
    waiting = forecasts([job for job in jobs if job.state == Job.State.QUEUED])
    columns = chosen(request, "jobs")
    context = {
        "rows": [(job, waiting.get(job.pk)) for job in jobs],
        "filters": filters,
        "dropped": dropped.values(),
        "title": _title(filters, len(jobs), more=bool(following), newest=order == NEWEST),
        "order": request.GET.get("order", ""),
        "columns": columns,
        "all_columns": JOBS,
        "heads": heads(columns, order, query),
        "is_later_page": bool(after),
        "query": query.urlencode(),
        "after": following,
        **_choices(filters),
    }
    return render(request, "jobs/list.html", context)


def _unknown(asked: Mapping[str, str]) -> dict[str, str]:
    """Return filters whose value is no choice: name → message."""
    known: dict[str, Callable[[str], bool]] = {
        "state": {*Job.State.values, *GROUPS, NEEDS_CONFIRMATION}.__contains__,
        "kind": KINDS.__contains__,
        "host": lambda name: Host.objects.filter(name=name).exists(),
        "person": lambda name: User.objects.filter(username=name).exists(),
    }
    text = gettext("Filter ignored: no %(filter)s is called “%(value)s”.")
    words = {
        "state": gettext("state"),
        "kind": gettext("job type"),
        "host": gettext("host"),
        "person": gettext("person"),
    }
    return {
        name: text % {"filter": words[name], "value": asked[name][:100]}
        for name, is_known in known.items()
        if asked[name] and not is_known(asked[name])
    }


def _choices(filters: Filters) -> dict[str, Any]:
    states = [
        (OPEN, gettext("active")),
        (FAILED_OR_LOST, gettext("failed or lost")),
        (NEEDS_CONFIRMATION, style_of(NEEDS_CONFIRMATION).word),
    ]
    return {
        "states": [*states, *((state, style_of(state).word) for state in Job.State.values)],
        "kinds": [(name, kind_title(name)) for name in KINDS],
        "hosts": list(Host.objects.all()),
        "people": list(
            # No join, which would scan all jobs.
            User.objects.filter(Exists(Job.objects.filter(created_by=OuterRef("pk"))))
            .order_by("username")
            .values_list("username", flat=True)
        ),
    }


def _title(filters: Filters, count: int, *, more: bool, newest: bool) -> str:
    if more and not newest:
        return gettext("Jobs, sorted, %(n)s per page") % {"n": count}
    if more:
        return gettext("The latest %(n)s jobs") % {"n": count}
    if filters.any:
        return ngettext("%(n)s job matches", "%(n)s jobs match", count) % {"n": count}
    return ngettext("%(n)s job", "%(n)s jobs", count) % {"n": count}


urlpatterns: list[URLPattern] = [path("", job_list, name="job-list")]
