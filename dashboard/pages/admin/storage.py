"""Disk usage of the dashboard, next removals, and removal of a job's log and files by hand."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions import jobs as actions
from dashboard.security.permissions import requires
from dashboard.text.formatting import size_text
from dashboard.text.retention import removed_words, span_text, when_text
from jobs.models import Deployment, Job
from jobs.queries import storage as queries

SHOWN = 10


@requires("storage.manage", "GET")
def storage(request: HttpRequest) -> HttpResponse:
    counted, given = counted_last(), queries.limits()
    disk = shutil.disk_usage(settings.DATA_DIR)
    within = given.retention_size_bytes
    context = {
        "counted": counted,
        "counted_at": datetime.fromisoformat(counted.at),
        "parts": _parts(counted),
        "disk": disk,
        "disk_used": disk.total - disk.free,  # with what the system keeps for itself
        "disk_share": 1 - disk.free / disk.total,
        "limits": given,
        "retention_age": span_text(age.total_seconds()) if (age := given.retention_age) else "",
        "share": counted.within / within if within else None,
        "over": within is not None and counted.within > within,
        "next_rows": _next_rows(counted),
        "biggest": queries.biggest(SHOWN),
        "disk_usage": queries.disk_usage_of_hosts(),
        "unfinished": queries.unfinished(),
        "title": _("Logs, files and chats use %(size)s, %(free)s free")
        % {"size": size_text(counted.within), "free": size_text(disk.free)},
    }
    return render(request, "storage/index.html", context)


def counted_last() -> queries.StorageCount:
    """Return the count of the last round of retention; before the first, one of now."""
    counted = queries.last_count()
    return counted if counted.at else queries.count(now(), aside=0)


@requires("storage.manage", "GET", "POST")
def storage_remove(request: HttpRequest, job_id: int) -> HttpResponse:
    """Ask (GET), then remove a job's log, files and points (POST). It cannot be undone."""
    job = get_object_or_404(Job.objects.select_related("host", "pinned_by"), pk=job_id)
    if request.method != "POST":
        context = {"job": job, "files": job.outputs.count(), "refusal": refusal_of(job)}
        return render(request, "storage/remove.html", context)
    if actions.remove_files(request.user, job):
        messages.success(request, removed_words(job))
    else:
        messages.error(request, refusal_of(job) or _("This job has no stored files."))
    return redirect("storage")


def refusal_of(job: Job) -> str:
    """Return why a job's files cannot be removed; "" if they can."""
    if job.removed_at is not None:
        return removed_words(job)
    if job.is_open:
        return _("Not removed: the job has not ended.")
    if job.pinned_at is not None:
        return _("Not removed: its files are kept. Stop keeping them on the job page first.")
    served = Deployment.objects.filter(job=job).first()
    if served is not None and served.is_open:
        return _("Not removed: its server %(name)s is running.") % {"name": served.name}
    return ""


def _parts(counted: queries.StorageCount) -> list[tuple[str, int, str]]:
    """Return (label, bytes, note)."""
    missing = _("logs of jobs missing in the database; outside the limit")
    return [
        (_("Logs of jobs"), counted.job_logs, ""),
        (_("Output files"), counted.outputs, ""),
        (_("Logs of servers"), counted.server_logs, ""),
        (_("Chat streams"), counted.chats, _("chat text stays in the database")),
        (_("Data points of curves"), counted.points, _("in the database; freed space is reused")),
        (_("Orphaned data"), counted.aside, missing),
        (
            _("Files of imports"),
            counted.imports,
            _("until the import is removed; outside the limit"),
        ),
        (_("Database"), database_bytes(), _("outside the limit")),
    ]


def database_bytes() -> int:
    if connection.vendor == "sqlite":
        name = str(connection.settings_dict["NAME"])
        files = (Path(f"{name}{ending}") for ending in ("", "-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _next_rows(counted: queries.StorageCount) -> list[dict[str, Any]]:
    """Return what goes next; ``record`` is a Job, a Deployment, or None for a chat's stream."""
    entries = queries.next_to_go(counted, SHOWN)
    models: dict[str, Any] = {"job": Job, "deployment": Deployment}
    known = {
        name: model.objects.in_bulk([bulk.id for bulk, _removal in entries if bulk.type == name])
        for name, model in models.items()
    }
    return [
        {
            "bulk": bulk,
            "record": known.get(bulk.type, {}).get(bulk.id),
            "when": when_text(removal),
            "why": removal.why,
        }
        for bulk, removal in entries
    ]


urlpatterns: list[URLPattern] = [
    path("", storage, name="storage"),
    path("jobs/<int:job_id>/remove/", storage_remove, name="storage-remove"),
]
