"""Messages of the queue, by id: preflight checks, reasons, start times, servers to stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import joined
from dashboard.text.labels import phrase

_MOST_NAMED = 5  # jobs per message

QUEUE_MESSAGES: dict[str, str | Promise] = {
    # Preflight findings (jobs.host.checks): passed, or what to do.
    "check:avx512": _("AVX-512: supported by %(cpu)s."),
    "check:avx512_missing": _("%(cpu)s has no AVX-512. Choose an image whose name ends in _noavx."),
    "check:broke": _("Check %(name)s failed to run: %(problem)s"),
    "check:conda": _("conda is in %(path)s."),
    "check:conda_env_missing": _(
        "conda has no environment %(env)s. Run “Prepare OpenCompass” first."
    ),
    "check:conda_missing": _(
        "conda not found on the host. Install Miniconda, or add conda to PATH."
    ),
    "check:container": _("Container name %(name)s is free."),
    "check:container_there": _(
        "Container %(name)s already exists. Stop its deployment, or run docker rm -f %(name)s."
    ),
    "check:dies": _("Device files of %(count)s dies are present."),
    "check:dies_missing": _(
        "Dies missing from /dev: %(dies)s. Check the card's slot and driver, then restart the host."
    ),
    "check:disk": _("%(path)s has %(free)s free; %(wanted)s needed."),
    "check:disk_nothing_more": _("%(path)s has %(free)s free; no more needed."),
    "check:disk_reserve": _(
        "%(path)s has %(free)s free, of which the host reserves %(reserve)s for running jobs "
        "(HOST_DISK_RESERVE); %(wanted)s needed."
    ),
    "check:disk_full": _(
        "Disk full: %(path)s has %(free)s free, %(wanted)s needed. Free space, or choose another "
        "folder."
    ),
    "check:docker": _("Docker %(version)s is running."),
    "check:docker_down": _("Docker is not responding (%(problem)s). Run systemctl start docker."),
    "check:endpoint": _("%(url)s is responding."),
    "check:endpoint_model": _(
        "%(url)s does not serve model %(model)s. Choose a name listed under /v1/models."
    ),
    "check:endpoint_silent": _(
        "%(url)s is not responding (%(problem)s). Start the deployment first."
    ),
    "check:image": _("Image %(image)s is on the host."),
    "check:image_missing": _("Image %(image)s not found. Run “Build images” first."),
    "check:iommu_off": _("IOMMU is off."),
    "check:iommu_on": _(
        "IOMMU is on. Add iommu=off to the kernel command line or disable IOMMU in the BIOS, then "
        "restart the host."
    ),
    "check:later": _("%(check)s: deferred until an earlier job ends or its dies are free."),
    "check:modification": _("Patched model files in %(path)s match the model."),
    "check:modification_differs": _(
        "config_vacc.json in %(path)s belongs to another model (%(fields)s). Run “Apply VACC "
        "patch”."
    ),
    "check:modification_missing": _("%(path)s lacks %(files)s. Run “Apply VACC patch” first."),
    "check:path": _("%(path)s exists."),
    "check:path_missing": _("Not found: %(path)s (%(what)s)."),
    "check:port": _("Port %(port)s is free."),
    "check:port_busy": _("Port %(port)s is in use. Choose another port."),
    "check:port_held": _("Port %(port)s is in use by %(holder)s. Choose another port."),
    "check:shard_missing": _(
        "%(missing)s of %(shards)s weight files are missing; the first is %(file)s. Run “Prepare "
        "weights” again: the download resumes."
    ),
    "check:shm": _("Shared memory: %(total)s, %(wanted)s needed."),
    "check:shm_small": _(
        "Shared memory is %(total)s; %(wanted)s needed. Remount /dev/shm with a larger size."
    ),
    "check:tool": _("%(tool)s %(version)s is installed."),
    "check:tool_missing": _("%(tool)s not found on the host. Install it, or add it to PATH."),
    "check:tool_old": _("%(tool)s %(version)s is too old; %(wanted)s or newer needed."),
    "check:unknown": _("The host's agent does not support check %(name)s. Update the agent."),
    "check:weights": _("All %(shards)s weight files are in %(path)s."),
    "check:weights_missing": _("No weights in %(path)s. Run “Prepare weights” first."),
    "check:data_files": _("%(tool)s: %(path)s, %(files)s files, %(size)s."),
    "check:data_files_many": _("%(tool)s: %(path)s, more than %(files)s files."),
    "check:data_files_missing": _("%(tool)s: not found, %(path)s."),
    "check:data_set": _("%(name)s: %(path)s has data."),
    "check:data_set_missing": _(
        "%(name)s: no data in %(path)s. Copy the files of %(repository)s there."
    ),
    "check:data_set_card_missing": _(
        "%(name)s: %(card)s is missing in %(path)s. Copy it from %(repository)s."
    ),
    "check:data_set_part_missing": _(
        "%(name)s: %(card)s in %(path)s does not name the part %(part)s. Copy it from "
        "%(repository)s."
    ),
    "check:data_set_split_unnamed": _(
        "%(name)s: %(card)s in %(path)s names no split %(split)s of %(part)s. Copy it from "
        "%(repository)s."
    ),
    "check:data_set_split_missing": _(
        "%(name)s: no files of the split %(split)s in %(path)s, only of %(found)s. Copy the files "
        "of %(repository)s there."
    ),
    "check:data_set_files_missing": _(
        "%(name)s: split %(split)s of %(part)s is missing in %(path)s: no file %(files)s. Copy it "
        "from %(repository)s."
    ),
    # Queue reasons (jobs.schedule.dispatch).
    "wait:after": _("Queued behind job %(job)s (%(title)s), which must succeed first."),
    "wait:away": _("%(host)s is offline: no heartbeat for %(seconds)s seconds."),
    "wait:never_seen": _("%(host)s has not connected yet."),
    "wait:protocol": _(
        "%(host)s runs an earlier version and starts no jobs. Upgrade it and restart its worker."
    ),
    "wait:draining": _("%(host)s is paused: no new jobs start there."),
    "wait:disk": _(
        "%(host)s is low on disk: %(free)s free, %(reserve)s reserved (HOST_DISK_RESERVE). Jobs "
        "start once there is room."
    ),
    "wait:slots": _("%(host)s is at its job limit; job %(job)s (%(title)s) is running."),
    "wait:place": _(
        "Job %(job)s (%(title)s) is writing to %(place)s too. This job starts afterwards."
    ),
    "wait:place_written": _(
        "Job %(job)s (%(title)s) is writing to %(place)s, which this deployment reads. This job "
        "starts afterwards."
    ),
    "wait:place_served": _(
        "Needs to write to %(place)s, which a running deployment reads. %(stop)s Jobs behind this "
        "one may start meanwhile."
    ),
    "wait:place_starting": _(
        "Job %(job)s (%(title)s) starts a deployment that reads %(place)s. This job starts when "
        "that deployment is stopped."
    ),
    "wait:place_ahead": _(
        "Job %(job)s (%(title)s) is ahead and deploys from %(place)s. Cancel that job, or move "
        "this one ahead."
    ),
    "wait:benchmark": _(
        "Benchmark %(job)s (%(title)s) is measuring the same deployment. This job starts "
        "afterwards."
    ),
    "wait:benchmark_host": _(
        "Benchmark %(job)s (%(title)s) is also running on %(host)s. This job starts afterwards."
    ),
    "wait:evaluation": _(
        "Evaluation %(job)s (%(title)s) is using the same deployment. This benchmark starts "
        "afterwards."
    ),
    "wait:dies": _("Needs %(wanted)s dies; %(host)s has %(free)s free."),
    "wait:dies_kept": _(
        "Needs %(wanted)s dies; %(host)s has %(free)s free, reserved for this job."
    ),
    "wait:dies_held": _(
        "Needs %(wanted)s dies; %(host)s has %(free)s free. %(stop)s Jobs behind this one may "
        "start meanwhile."
    ),
    "wait:dies_few": _("Needs %(wanted)s dies; %(host)s has only %(free)s."),
    "wait:kept": _(
        "Needs %(wanted)s dies. Free dies of %(host)s are reserved for job %(job)s (%(title)s), "
        "which is ahead and needs %(first)s."
    ),
    "wait:before": _("Job %(job)s (%(title)s) is ahead and starts first."),
    "wait:exclusive_running": _(
        "Job %(job)s (%(title)s) has exclusive use of %(host)s: nothing else starts before it ends."
    ),
    "wait:exclusive_next": _(
        "%(host)s is reserved for job %(job)s (%(title)s), which is ahead and needs exclusive use."
    ),
    "wait:exclusive_jobs": _(
        "Needs exclusive use of %(host)s, but job %(job)s (%(title)s) is running. Jobs behind this "
        "one wait too."
    ),
    "wait:exclusive_server": _(
        "Needs exclusive use of %(host)s, but deployment %(name)s is running. Stop that "
        "deployment, or launch without “Exclusive host”. Jobs behind this one may start meanwhile."
    ),
    "wait:exclusive_servers": _(
        "Needs exclusive use of %(host)s, but deployments are running (%(servers)s). Stop them, or "
        "launch without “Exclusive host”. Jobs behind this one may start meanwhile."
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
        "Start time unknown: this job needs %(wanted)s dies, and only %(free)s are or will become "
        "free. %(stop)s"
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
    """Format servers of ``jobs.schedule.capacity`` with their ports, because names may repeat.
    ``dies``: include the number of dies in use."""
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
    taken = gettext("Job #%(job)s is ahead and takes %(dies)s of these dies.")
    first = [taken % {"job": one["job"], "dies": one["dies"]} for one in args.get("first") or ()]
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
    named = gettext(", ").join(f"#{pk}" for pk in jobs[:_MOST_NAMED])
    more = len(jobs) - _MOST_NAMED
    return gettext("%(jobs)s and %(n)s more") % {"jobs": named, "n": more} if more > 0 else named


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
