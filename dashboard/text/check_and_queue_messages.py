"""Messages of the queue, by id: preflight checks, reasons, start times, servers to stop."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from dashboard.text.formatting import joined
from dashboard.text.labels import phrase

_MOST_NAMED = 5  # jobs per message

QUEUE_MESSAGES: dict[str, str] = {
    # Preflight findings (jobs.host.checks): passed, or what to do.
    "check:avx512": "AVX-512: supported by %(cpu)s.",
    "check:avx512_missing": "%(cpu)s has no AVX-512. Choose an image whose name ends in _noavx.",
    "check:broke": "Check %(name)s failed to run: %(problem)s",
    "check:conda": "conda is in %(path)s.",
    "check:conda_env_missing": "conda has no environment %(env)s. Run “Prepare OpenCompass” first.",
    "check:conda_missing": "conda not found on the host. Install Miniconda, or add conda to PATH.",
    "check:container": "Container name %(name)s is free.",
    "check:container_there": "Container %(name)s already exists. Stop its deployment, or run "
    "docker rm -f %(name)s.",
    "check:dies": "Device files of %(count)s dies are present.",
    "check:dies_missing": "Dies missing from /dev: %(dies)s. Check the card's slot and driver, "
    "then restart the host.",
    "check:disk": "%(path)s has %(free)s free; %(wanted)s needed.",
    "check:disk_nothing_more": "%(path)s has %(free)s free; no more needed.",
    "check:disk_reserve": "%(path)s has %(free)s free, of which the host reserves %(reserve)s for "
    "running jobs (HOST_DISK_RESERVE); %(wanted)s needed.",
    "check:disk_full": "Disk full: %(path)s has %(free)s free, %(wanted)s needed. Free space, or "
    "choose another folder.",
    "check:docker": "Docker %(version)s is running.",
    "check:docker_down": "Docker is not responding (%(problem)s). Run systemctl start docker.",
    "check:endpoint": "%(url)s is responding.",
    "check:endpoint_model": "%(url)s does not serve model %(model)s. Choose a name listed under "
    "/v1/models.",
    "check:endpoint_silent": "%(url)s is not responding (%(problem)s). Start the deployment first.",
    "check:image": "Image %(image)s is on the host.",
    "check:image_missing": "Image %(image)s not found. Run “Build images” first.",
    "check:iommu_off": "IOMMU is off.",
    "check:iommu_on": "IOMMU is on. Add iommu=off to the kernel command line or disable IOMMU in "
    "the BIOS, then restart the host.",
    "check:later": "%(check)s: deferred until an earlier job ends or its dies are free.",
    "check:modification": "Patched model files in %(path)s match the model.",
    "check:modification_differs": "config_vacc.json in %(path)s belongs to another model "
    "(%(fields)s). Run “Apply VACC patch”.",
    "check:modification_missing": "%(path)s lacks %(files)s. Run “Apply VACC patch” first.",
    "check:path": "%(path)s exists.",
    "check:path_missing": "Not found: %(path)s (%(what)s).",
    "check:port": "Port %(port)s is free.",
    "check:port_busy": "Port %(port)s is in use. Choose another port.",
    "check:port_held": "Port %(port)s is in use by %(holder)s. Choose another port.",
    "check:shard_missing": "%(missing)s of %(shards)s weight files are missing; the first is "
    "%(file)s. Run “Prepare weights” again: the download resumes.",
    "check:shm": "Shared memory: %(total)s, %(wanted)s needed.",
    "check:shm_small": "Shared memory is %(total)s; %(wanted)s needed. Remount /dev/shm with a "
    "larger size.",
    "check:tool": "%(tool)s %(version)s is installed.",
    "check:tool_missing": "%(tool)s not found on the host. Install it, or add it to PATH.",
    "check:tool_old": "%(tool)s %(version)s is too old; %(wanted)s or newer needed.",
    "check:unknown": "The host's agent does not support check %(name)s. Update the agent.",
    "check:weights": "All %(shards)s weight files are in %(path)s.",
    "check:weights_missing": "No weights in %(path)s. Run “Prepare weights” first.",
    "check:data_files": "%(tool)s: %(path)s, %(files)s files, %(size)s.",
    "check:data_files_many": "%(tool)s: %(path)s, more than %(files)s files.",
    "check:data_files_missing": "%(tool)s: not found, %(path)s.",
    "check:data_set": "%(name)s: %(path)s has data.",
    "check:data_set_missing": "%(name)s: no data in %(path)s. Copy the files of %(repository)s "
    "there.",
    "check:data_set_card_missing": "%(name)s: %(card)s is missing in %(path)s. Copy it from "
    "%(repository)s.",
    "check:data_set_part_missing": "%(name)s: %(card)s in %(path)s does not name the part "
    "%(part)s. Copy it from %(repository)s.",
    "check:data_set_split_unnamed": "%(name)s: %(card)s in %(path)s names no split %(split)s of "
    "%(part)s. Copy it from %(repository)s.",
    "check:data_set_split_missing": "%(name)s: no files of the split %(split)s in %(path)s, only "
    "of %(found)s. Copy the files of %(repository)s there.",
    "check:data_set_files_missing": "%(name)s: split %(split)s of %(part)s is missing in %(path)s: "
    "no file %(files)s. Copy it from %(repository)s.",
    # Queue reasons (jobs.schedule.dispatch).
    "wait:after": "Queued behind job %(job)s (%(title)s), which must succeed first.",
    "wait:away": "%(host)s is offline: no heartbeat for %(silent_s)s.",
    "wait:never_seen": "%(host)s has not connected yet.",
    "wait:protocol": "%(host)s runs an earlier version and starts no jobs. Upgrade it and restart "
    "its worker.",
    "wait:draining": "%(host)s is paused: no new jobs start there.",
    "wait:disk": "%(host)s is low on disk: %(free)s free, %(reserve)s reserved "
    "(HOST_DISK_RESERVE). Jobs start once there is room.",
    "wait:slots": "%(host)s is at its job limit; job %(job)s (%(title)s) is running.",
    "wait:place": "Job %(job)s (%(title)s) is writing to %(place)s too. This job starts "
    "afterwards.",
    "wait:place_written": "Job %(job)s (%(title)s) is writing to %(place)s, which this deployment "
    "reads. This job starts afterwards.",
    "wait:place_served": "A running deployment uses %(place)s, the folder that this job writes "
    "to. %(stop)s Later jobs may start first.",
    "wait:place_starting": "Job %(job)s (%(title)s) starts a deployment that reads %(place)s. This "
    "job starts when that deployment is stopped.",
    "wait:place_ahead": "Job %(job)s (%(title)s) is ahead and deploys from %(place)s. Cancel that "
    "job, or move this one ahead.",
    "wait:benchmark": "Benchmark %(job)s (%(title)s) is measuring the same deployment. This job "
    "starts afterwards.",
    "wait:benchmark_host": "Benchmark %(job)s (%(title)s) is also running on %(host)s. This job "
    "starts afterwards.",
    "wait:evaluation": "Evaluation %(job)s (%(title)s) is using the same deployment. This "
    "benchmark starts afterwards.",
    "wait:dies": "Needs %(wanted)s dies; %(host)s has %(free)s free.",
    "wait:dies_kept": "Needs %(wanted)s dies; %(host)s has %(free)s free, reserved for this job.",
    "wait:dies_held": "Needs %(wanted)s dies; %(host)s has %(free)s free. %(stop)s Later jobs "
    "may start first.",
    "wait:dies_few": "Needs %(wanted)s dies; %(host)s has only %(free)s.",
    "wait:kept": "Needs %(wanted)s dies. Free dies of %(host)s are reserved for job %(job)s "
    "(%(title)s), which is ahead and needs %(first)s.",
    "wait:before": "Job %(job)s (%(title)s) is ahead and starts first.",
    "wait:exclusive_running": "Job %(job)s (%(title)s) has exclusive use of %(host)s: nothing else "
    "starts before it ends.",
    "wait:exclusive_next": "%(host)s is reserved for job %(job)s (%(title)s), which is ahead and "
    "needs exclusive use.",
    "wait:exclusive_jobs": "Needs exclusive use of %(host)s, but job %(job)s (%(title)s) is "
    "running. Jobs behind this one wait too.",
    "wait:exclusive_server": "Needs exclusive use of %(host)s, but deployment %(name)s is running. "
    "Stop that deployment, or launch without “Exclusive host”. Later jobs may start first.",
    "wait:exclusive_servers": "Needs exclusive use of %(host)s, but deployments are running "
    "(%(servers)s). Stop them, or launch without “Exclusive host”. Later jobs may start first.",
    "wait:deployment": "Queued until deployment %(name)s is ready (now: %(state)s).",
    "wait:preflight": "%(host)s is running preflight checks for this job.",
    "wait:confirm": "Needs confirmation by %(by)s or an administrator. %(found)s",
    "wait:confirm_admin": "Needs confirmation by an administrator. %(found)s",
    "wait:soon": "Starts next.",
    # Start times with their assumptions (jobs.schedule.forecast).
    "forecast:now": "Starts next.",
    "forecast:usual": "if jobs ahead take their typical duration",
    "forecast:no_end": "Start time unknown: job %(job)s (%(title)s) has no earlier run to compare "
    "with, or exceeds its typical duration.",
    "forecast:no_history": "Start time unknown: no earlier run like job %(job)s (%(title)s) has "
    "succeeded here.",
    "forecast:servers": "Start time unknown: deployments run until they are stopped. %(stop)s",
    "forecast:dies_held": "Start time unknown: this job needs %(wanted)s dies, and only %(free)s "
    "are or will become free. %(stop)s",
    "forecast:place_served": "Start time unknown: a running deployment uses %(place)s, the "
    "folder that this job writes to. %(stop)s",
    "forecast:place_ahead": "Start time unknown: job %(job)s (%(title)s) is ahead, also queued, "
    "and deploys from %(place)s.",
    "forecast:behind": "Start time unknown: job %(job)s (%(title)s) must end first.",
    "forecast:deployment": "Start time unknown: deployment %(name)s is not ready.",
    "forecast:confirm": "Start time unknown: job %(job)s needs confirmation.",
    "forecast:elsewhere": "Start time unknown: job %(job)s is on another host.",
    "forecast:away": "Start time unknown: %(host)s is offline.",
    "forecast:protocol": "Start time unknown: %(host)s must be upgraded first.",
    "forecast:draining": "Start time unknown: %(host)s is paused.",
    "forecast:disk": "Start time unknown: the disk of %(host)s is full.",
    "forecast:far": "Start time unknown: more than %(n)s jobs are ahead.",
    "forecast:never": "Cannot start: %(host)s lacks what this job needs.",
}


def server_names(servers: Sequence[Mapping[str, Any]], *, dies: bool = False) -> str:
    """Format servers of ``jobs.schedule.capacity`` with their ports, because names may repeat.
    ``dies``: include the number of dies in use."""
    names = []
    for server in servers:
        facts = []
        if server["port"]:
            facts.append(gettext("port %(port)s") % {"port": server["port"]})
        elif not server["id"]:
            facts.append(gettext("job %(job)s") % {"job": server["job"]})
        if dies:
            held = ngettext("%(count)s die", "%(count)s dies", server["dies"])
            facts.append(held % {"count": server["dies"]})
        name = phrase(server["name"])
        names.append(f"{name} ({gettext(', ').join(facts)})" if facts else name)
    return gettext(", ").join(names)


def to_stop(args: Mapping[str, Any]) -> str:
    """Return the servers to stop, all or some, and the jobs ahead that take freed dies first: a
    stop alone does not start this job."""
    servers, behind = args["servers"], list(args.get("behind") or ())
    if args.get("every", True):
        texts = [gettext("Stop: %(servers)s.") % {"servers": server_names(servers)}]
    else:
        stop = gettext("Stop deployments that use %(lack)s dies in total: %(servers)s.")
        texts = [stop % {"lack": args["lack"], "servers": server_names(servers, dies=True)}]
    taken = gettext("Job #%(job)s is ahead and takes %(dies)s of these dies.")
    for one in args.get("first") or ():
        texts.append(taken % {"job": one["job"], "dies": one["dies"]})
    if behind:
        text = ngettext(
            "Job %(jobs)s is ahead, takes these dies first, and must release them again.",
            "Jobs %(jobs)s are ahead, take these dies first, and must release them again.",
            len(behind),
        )
        texts.append(text % {"jobs": _numbers(behind)})
        if args.get("behind_serves"):
            texts.append(gettext("Deployments started by those jobs must be stopped too."))
    for server in servers:
        if jobs := list(server.get("needed_by") or ()):
            text = ngettext(
                "Job %(jobs)s needs %(name)s and must end first.",
                "Jobs %(jobs)s need %(name)s and must end first.",
                len(jobs),
            )
            texts.append(text % {"jobs": _numbers(jobs), "name": phrase(server["name"])})
    return joined(*texts)


def _numbers(jobs: Sequence[int]) -> str:
    named = gettext(", ").join(f"#{pk}" for pk in jobs[:_MOST_NAMED])
    more = len(jobs) - _MOST_NAMED
    return gettext("%(jobs)s and %(n)s more") % {"jobs": named, "n": more} if more > 0 else named
