"""Messages of the queue: reasons, start times, and servers to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import joined
from dashboard.text.labels import phrase

_MOST_NAMED = 5  # jobs per message

WAIT_MESSAGES: dict[str, str | Promise] = {
    # Queue reasons (jobs.schedule.dispatch).
    "wait:after": _("Queued behind job %(job)s (%(title)s), which must succeed first."),
    "wait:away": _("%(host)s is offline: no heartbeat for %(seconds)s seconds."),
    "wait:never_seen": _("%(host)s has not connected yet."),
    "wait:protocol": _(
        "%(host)s runs an earlier version and starts no jobs. Upgrade it and restart its worker."
    ),
    "wait:draining": _("%(host)s is paused: no new jobs start there."),
    "wait:disk": _(
        "%(host)s is low on disk: %(free)s free, %(reserve)s reserved (HOST_DISK_RESERVE). "
        "Jobs start once there is room."
    ),
    "wait:slots": _("%(host)s is at its job limit; job %(job)s (%(title)s) is running."),
    "wait:place": _(
        "Job %(job)s (%(title)s) is writing to %(place)s too. This job starts afterwards."
    ),
    "wait:place_written": _(
        "Job %(job)s (%(title)s) is writing to %(place)s, which this deployment reads. "
        "This job starts afterwards."
    ),
    "wait:place_served": _(
        "Needs to write to %(place)s, which a running deployment reads. %(stop)s Jobs behind "
        "this one may start meanwhile."
    ),
    "wait:place_starting": _(
        "Job %(job)s (%(title)s) starts a deployment that reads %(place)s. This job starts when "
        "that deployment is stopped."
    ),
    "wait:place_ahead": _(
        "Job %(job)s (%(title)s) is ahead and deploys from %(place)s. Cancel that job, or "
        "move this one ahead."
    ),
    "wait:benchmark": _(
        "Benchmark %(job)s (%(title)s) is measuring the same deployment. This job "
        "starts afterwards."
    ),
    "wait:benchmark_host": _(
        "Benchmark %(job)s (%(title)s) is also running on %(host)s. This job starts afterwards."
    ),
    "wait:evaluation": _(
        "Evaluation %(job)s (%(title)s) is using the same deployment. This benchmark "
        "starts afterwards."
    ),
    "wait:dies": _("Needs %(wanted)s dies; %(host)s has %(free)s free."),
    "wait:dies_kept": _(
        "Needs %(wanted)s dies; %(host)s has %(free)s free, reserved for this job."
    ),
    "wait:dies_held": _(
        "Needs %(wanted)s dies; %(host)s has %(free)s free. %(stop)s Jobs behind this one "
        "may start meanwhile."
    ),
    "wait:dies_few": _("Needs %(wanted)s dies; %(host)s has only %(free)s."),
    "wait:kept": _(
        "Needs %(wanted)s dies. Free dies of %(host)s are reserved for job %(job)s "
        "(%(title)s), which is ahead and needs %(first)s."
    ),
    "wait:before": _("Job %(job)s (%(title)s) is ahead and starts first."),
    "wait:exclusive_running": _(
        "Job %(job)s (%(title)s) has exclusive use of %(host)s: nothing else starts before it ends."
    ),
    "wait:exclusive_next": _(
        "%(host)s is reserved for job %(job)s (%(title)s), which is ahead and needs exclusive use."
    ),
    "wait:exclusive_jobs": _(
        "Needs exclusive use of %(host)s, but job %(job)s (%(title)s) is running. Jobs "
        "behind this one wait too."
    ),
    "wait:exclusive_server": _(
        "Needs exclusive use of %(host)s, but deployment %(name)s is running. Stop that "
        "deployment, or launch without “Exclusive host”. Jobs behind this one may start "
        "meanwhile."
    ),
    "wait:exclusive_servers": _(
        "Needs exclusive use of %(host)s, but deployments are running (%(servers)s). Stop "
        "them, or launch without “Exclusive host”. Jobs behind this one may start meanwhile."
    ),
    "wait:deployment": _("Queued until deployment %(name)s is ready (now: %(state)s)."),
    "wait:preflight": _("%(host)s is running preflight checks for this job."),
    "wait:confirm": _("Needs confirmation by %(by)s or an administrator. %(found)s"),
    "wait:confirm_admin": _("Needs confirmation by an administrator. %(found)s"),
    "wait:soon": _("Starts next."),
    # Start times with their assumptions (jobs.schedule.forecast).
    "forecast:now": _("Starts next."),
    "forecast:usual": _("if jobs ahead take their typical duration"),
    "forecast:no_end": _(
        "Start time unknown: job %(job)s (%(title)s) has no earlier run to compare with, or "
        "exceeds its typical duration."
    ),
    "forecast:no_history": _(
        "Start time unknown: no earlier run like job %(job)s (%(title)s) has succeeded here."
    ),
    "forecast:servers": _("Start time unknown: deployments run until they are stopped. %(stop)s"),
    "forecast:dies_held": _(
        "Start time unknown: this job needs %(wanted)s dies, and only %(free)s are or will "
        "become free. %(stop)s"
    ),
    "forecast:place_served": _(
        "Start time unknown: this job writes to %(place)s, which a running deployment reads. "
        "%(stop)s"
    ),
    "forecast:place_ahead": _(
        "Start time unknown: job %(job)s (%(title)s) is ahead, also queued, and deploys from "
        "%(place)s."
    ),
    "forecast:behind": _("Start time unknown: job %(job)s (%(title)s) must end first."),
    "forecast:deployment": _("Start time unknown: deployment %(name)s is not ready."),
    "forecast:confirm": _("Start time unknown: job %(job)s needs confirmation."),
    "forecast:elsewhere": _("Start time unknown: job %(job)s is on another host."),
    "forecast:away": _("Start time unknown: %(host)s is offline."),
    "forecast:protocol": _("Start time unknown: %(host)s must be upgraded first."),
    "forecast:draining": _("Start time unknown: %(host)s is paused."),
    "forecast:disk": _("Start time unknown: the disk of %(host)s is full."),
    "forecast:far": _("Start time unknown: more than %(n)s jobs are ahead."),
    "forecast:never": _("Cannot start: %(host)s lacks what this job needs."),
}


def server_names(servers: Sequence[Mapping[str, Any]], *, dies: bool = False) -> str:
    """Format servers of ``jobs.schedule.capacity`` with their ports, because names may
    repeat.

    ``dies``: include the number of dies in use.
    """
    return gettext(", ").join(_server_name(one, dies=dies) for one in servers)


def to_stop(args: Mapping[str, Any]) -> str:
    """Return the servers to stop, all or some, and the jobs ahead that take freed dies first."""
    if args.get("every", True):
        stop = gettext("Stop: %(servers)s.") % {"servers": server_names(args["servers"])}
    else:
        stop = gettext("Stop deployments that use %(lack)s dies in total: %(servers)s.") % {
            "lack": args["lack"],
            "servers": server_names(args["servers"], dies=True),
        }
    first = [_takes_first(one) for one in args.get("first") or ()]
    return joined(stop, *first, _behind(args), *map(_needed, args["servers"]))


def _behind(args: Mapping[str, Any]) -> str:
    """Return text on jobs ahead that take freed dies, so that a stop alone does not start this
    job."""
    jobs = list(args.get("behind") or ())
    if not jobs:
        return ""
    text = ngettext(
        "Job %(jobs)s is ahead, takes these dies first, and must release them again.",
        "Jobs %(jobs)s are ahead, take these dies first, and must release them again.",
        len(jobs),
    )
    sentence = text % {"jobs": _numbers(jobs)}
    if args.get("behind_serves"):
        return joined(sentence, gettext("Deployments started by those jobs must be stopped too."))
    return sentence


def _needed(server: Mapping[str, Any]) -> str:
    """Return text on active jobs that need the server."""
    jobs = list(server.get("needed_by") or ())
    if not jobs:
        return ""
    text = ngettext(
        "Job %(jobs)s needs %(name)s and must end first.",
        "Jobs %(jobs)s need %(name)s and must end first.",
        len(jobs),
    )
    return text % {"jobs": _numbers(jobs), "name": phrase(server["name"])}


def _numbers(jobs: Sequence[int]) -> str:
    """Format the first jobs by number, and the count of the rest."""
    named = gettext(", ").join(f"#{pk}" for pk in jobs[:_MOST_NAMED])
    more = len(jobs) - _MOST_NAMED
    return gettext("%(jobs)s and %(n)s more") % {"jobs": named, "n": more} if more > 0 else named


def _takes_first(one: Mapping[str, Any]) -> str:
    text = gettext("Job #%(job)s is ahead and takes %(dies)s of these dies.")
    return text % {"job": one["job"], "dies": one["dies"]}


def _server_name(server: Mapping[str, Any], *, dies: bool) -> str:
    facts = []
    if server["port"]:
        facts.append(gettext("port %(port)s") % {"port": server["port"]})
    elif not server["id"]:
        facts.append(gettext("job %(job)s") % {"job": server["job"]})
    if dies:
        held = ngettext("%(count)s die", "%(count)s dies", server["dies"])
        facts.append(held % {"count": server["dies"]})
    name = phrase(server["name"])
    return f"{name} ({gettext(', ').join(facts)})" if facts else name
