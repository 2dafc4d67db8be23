"""Why a job waits, when it may start, and what a person has to stop for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import joined
from dashboard.text.labels import phrase

_MOST_NAMED = 5  # jobs of one sentence

WAIT_SENTENCES: dict[str, str | Promise] = {
    # Why a job waits (jobs.dispatch).
    "wait:after": _("Waits for job %(job)s (%(title)s)."),
    "wait:away": _("%(host)s is away: nothing heard from it for %(seconds)s seconds."),
    "wait:never_seen": _("%(host)s has not reported yet."),
    "wait:draining": _("%(host)s takes no new jobs: it is being drained."),
    "wait:disk": _(
        "The disk of %(host)s has %(free)s left, and it keeps %(reserve)s free "
        "(HOST_DISK_RESERVE): it starts nothing until there is room."
    ),
    "wait:slots": _("%(host)s is busy with job %(job)s (%(title)s)."),
    "wait:place": _(
        "Job %(job)s (%(title)s) writes the same place, %(place)s. This job starts when that one "
        "has ended."
    ),
    "wait:place_written": _(
        "Job %(job)s (%(title)s) writes %(place)s, which this server reads. This job starts when "
        "that one has ended."
    ),
    "wait:place_served": _(
        "Writes %(place)s, which a running deployment reads. %(stop)s Jobs behind it may pass "
        "meanwhile."
    ),
    "wait:place_starting": _(
        "Job %(job)s (%(title)s) starts a deployment that reads %(place)s. This job starts when "
        "that deployment is stopped."
    ),
    "wait:place_ahead": _(
        "Job %(job)s (%(title)s) is ahead in the queue and deploys from %(place)s. Cancel that "
        "job, or move this one ahead of it."
    ),
    "wait:benchmark": _(
        "Benchmark %(job)s (%(title)s) measures the same deployment. This one starts when that one "
        "has ended."
    ),
    "wait:benchmark_host": _(
        "Benchmark %(job)s (%(title)s) measures on %(host)s too. This one starts when that one has "
        "ended."
    ),
    "wait:evaluation": _(
        "Evaluation %(job)s (%(title)s) asks the same deployment. This benchmark starts when that "
        "one has ended."
    ),
    "wait:dies": _("Needs %(wanted)s dies; %(free)s are free on %(host)s."),
    "wait:dies_kept": _("Needs %(wanted)s dies; %(free)s are free on %(host)s and kept for it."),
    "wait:dies_held": _(
        "Needs %(wanted)s dies; %(free)s are free on %(host)s. %(stop)s Jobs behind it may pass "
        "meanwhile."
    ),
    "wait:dies_few": _("Needs %(wanted)s dies; %(host)s has no more than %(free)s."),
    "wait:kept": _(
        "Needs %(wanted)s dies; those that are free on %(host)s are kept for job %(job)s "
        "(%(title)s), which is before it and needs %(first)s."
    ),
    "wait:before": _("Job %(job)s (%(title)s) is before it and starts first."),
    "wait:quiet_runs": _(
        "Job %(job)s (%(title)s) measures on %(host)s and wants it quiet: nothing starts there "
        "until it is done."
    ),
    "wait:quiet_next": _(
        "%(host)s is kept for job %(job)s (%(title)s), which is before it and wants it quiet."
    ),
    "wait:quiet_jobs": _(
        "Wants %(host)s quiet, but job %(job)s (%(title)s) runs there. Nothing behind it starts "
        "before it."
    ),
    "wait:quiet_server": _(
        "Wants %(host)s quiet, but the deployment %(name)s is up there, which does not end by "
        "itself: stop it, or measure beside it. Jobs behind it may pass meanwhile."
    ),
    "wait:quiet_servers": _(
        "Wants %(host)s quiet, but deployments are up there, which do not end by themselves "
        "(%(servers)s): stop them, or measure beside them. Jobs behind it may pass meanwhile."
    ),
    "wait:deployment": _("Waits until the deployment %(name)s is ready (%(state)s)."),
    "wait:preflight": _("%(host)s looks whether all that it needs is there."),
    "wait:confirm": _("Waits for a yes of %(by)s or an administrator. %(found)s"),
    "wait:confirm_admin": _("Waits for a yes of an administrator. %(found)s"),
    "wait:soon": _("Starts next."),
    # When a job is likely to start (jobs.queries.jobs.forecast), and what that supposes.
    "forecast:now": _("Starts next."),
    "forecast:usual": _("if what is ahead of it takes as long as such jobs took here"),
    "forecast:no_end": _(
        "Not known yet when: job %(job)s (%(title)s) is the first of its sort here, or takes "
        "longer than usual."
    ),
    "forecast:no_history": _(
        "Not known yet when: no job like %(job)s (%(title)s) has succeeded here before."
    ),
    "forecast:servers": _("Not known when: deployments do not end by themselves. %(stop)s"),
    "forecast:dies_held": _(
        "Not known when: it needs %(wanted)s dies, %(free)s are free or come free by themselves. "
        "%(stop)s"
    ),
    "forecast:place_served": _(
        "Start time unknown: it writes %(place)s, which a running deployment reads. %(stop)s"
    ),
    "forecast:place_ahead": _(
        "Start time unknown: job %(job)s (%(title)s) is ahead, waits too and deploys from "
        "%(place)s."
    ),
    "forecast:behind": _("Not known when: job %(job)s (%(title)s) has to end first."),
    "forecast:deployment": _("Not known when: the deployment %(name)s is not ready."),
    "forecast:confirm": _("Not known when: job %(job)s waits for a person to confirm it."),
    "forecast:elsewhere": _("Not known yet when: job %(job)s runs on another host."),
    "forecast:away": _("Not known when: %(host)s does not answer."),
    "forecast:draining": _("Not known when: %(host)s takes no new jobs."),
    "forecast:disk": _("Not known when: the disk of %(host)s is full."),
    "forecast:far": _("Not known yet when: more than %(n)s jobs are ahead of it."),
    "forecast:never": _("Not known when: %(host)s has not what it needs."),
}


def server_names(servers: Sequence[Mapping[str, Any]], *, dies: bool = False) -> str:
    """Servers as ``jobs.queries.hosts.capacity`` tells them, with their port, for two may be called
    the same.

    ``dies``: with how many they hold.
    """
    return gettext(", ").join(_server_name(one, dies=dies) for one in servers)


def to_stop(told: Mapping[str, Any]) -> str:
    """Which servers a person has to stop: all that are told, or some of them; and which jobs ahead
    take of what comes free first."""
    if told.get("every", True):
        stop = gettext("Stop: %(servers)s.") % {"servers": server_names(told["servers"])}
    else:
        stop = gettext("Stop as many of these as hold %(lack)s dies: %(servers)s.") % {
            "lack": told["lack"],
            "servers": server_names(told["servers"], dies=True),
        }
    first = [_takes_first(one) for one in told.get("first") or ()]
    return joined(stop, *first, _behind(told), *map(_needed, told["servers"]))


def _behind(told: Mapping[str, Any]) -> str:
    """Jobs ahead that take what is freed, so that the stop alone does not start this one."""
    jobs = list(told.get("behind") or ())
    if not jobs:
        return ""
    words = ngettext(
        "Job %(jobs)s is ahead and takes these dies first; it has to give them back.",
        "Jobs %(jobs)s are ahead and take these dies first; they have to give them back.",
        len(jobs),
    )
    said = words % {"jobs": _numbers(jobs)}
    if told.get("behind_serves"):
        return joined(said, gettext("The servers that start then have to be stopped too."))
    return said


def _needed(server: Mapping[str, Any]) -> str:
    """Open jobs for which the server must stay."""
    jobs = list(server.get("needed_by") or ())
    if not jobs:
        return ""
    words = ngettext(
        "Job %(jobs)s needs %(name)s: let it end first.",
        "Jobs %(jobs)s need %(name)s: let them end first.",
        len(jobs),
    )
    return words % {"jobs": _numbers(jobs), "name": phrase(server["name"])}


def _numbers(jobs: Sequence[int]) -> str:
    """Some of them by number, and how many more there are."""
    named = gettext(", ").join(f"#{pk}" for pk in jobs[:_MOST_NAMED])
    more = len(jobs) - _MOST_NAMED
    return gettext("%(jobs)s and %(n)s more") % {"jobs": named, "n": more} if more > 0 else named


def _takes_first(one: Mapping[str, Any]) -> str:
    words = gettext("Job #%(job)s is ahead and takes %(dies)s of them.")
    return words % {"job": one["job"], "dies": one["dies"]}


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
