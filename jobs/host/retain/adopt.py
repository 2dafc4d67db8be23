"""Handle spools whose launcher is gone, and stop all that runs."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from jobs.base.errors import PlanError
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.config import Config
from jobs.host.base.spool import Spool
from jobs.host.claim.claim import start_if_fresh
from jobs.host.probe import probe
from jobs.host.run import environment
from jobs.host.run.launcher import whole_log
from jobs.host.run.redact import forms, redact
from jobs.plans import SECRET, fill, from_json

FEW_STARTS = 3
log = logging.getLogger(__name__)


class Adopter:
    """Adopt spools. Its only state: how often it started a launcher that then did nothing."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._host_dir = config.dir
        self._starts: dict[tuple[Path, int], int] = {}

    def adopt(self, spool: Spool) -> None:
        """Adopt one spool: running and ended ones are left, a fresh one is started, a dead one
        gets its last event.

        Raises:
            FileNotFoundError: it was set aside meanwhile.
        """
        if spool.is_running() or spool.exit() is not None:
            return
        meta = spool.meta()
        key = (spool.path, meta.run)
        # Under the guard a claim that has made the spool has also started it.
        with spools.guard(self._host_dir, f"{meta.type}-{meta.id}"):
            if not spool.was_started() and self._starts.get(key, 0) < FEW_STARTS:
                self._starts[key] = self._starts.get(key, 0) + 1
                start_if_fresh(self._config, spool)
                return
            close_dead(spool)


def close_dead(spool: Spool) -> bool:
    """Write the last event of a run whose launcher died without one: *lost*. False: it lives.

    The lock decides, never a process id. What its commands left running is ended first.
    """
    lock = spool.lock(0.0)
    if lock is None:
        return False
    try:
        if spool.exit() is not None:
            return False
        run = spool.meta().run
        last = [e for e in spool.read_events() if e["type"] == "ended" and e["run"] == run]
        if last:  # the launcher died between its last event and exit.json
            spools.write_json(spool.path / "exit.json", last[-1])
            return True
        _kill_marked(spool)
        _clean_up(spool)
        redact(spool.log, forms(spool.secrets().values()))
        message_id, args = _why(spool)
        spool.append_ended(
            {
                "verdict": "lost",
                "message_id": message_id,
                "message_args": args,
                "exit_code": None,
                "duration_s": _duration_s(spool, run),
                **whole_log(spool),
                "points_bytes": spools.whole_lines_size(spool.points),
                "outputs": [],
                "run": run,
            }
        )
        spool.forget_secrets()
        log.warning("%s ended without a record: %s", spool, message_id)
        return True
    finally:
        os.close(lock)


def stop_everything(host_dir: Path, grace_s: float) -> list[str]:
    """Cancel every job and server of this host and wait for them to end.

    What still runs after ``grace_s`` seconds is killed. Returns the names of those ("job 17"), each
    of which the agent will later report as lost.
    """
    running = [spool for spool in spools.all_spools(host_dir) if spool.is_running()]
    for spool in running:
        with contextlib.suppress(FileNotFoundError):
            spool.ask_cancel()
    deadline = time.monotonic() + grace_s
    while any(s.is_running() for s in running) and time.monotonic() < deadline:
        time.sleep(0.05)
    killed = [spool for spool in running if spool.is_running()]
    for spool in killed:
        pid = spools.launcher_pid(spool)
        if pid is not None:
            process.send(pid, signal.SIGKILL)
        _kill_marked(spool)
    return [f"{spool.meta().type} {spool.meta().id}" for spool in killed]


def _kill_marked(spool: Spool) -> None:
    """End what the commands of a dead launcher left running."""
    for number, wait_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0)):
        pids = [p for p in environment.marked(spool.path) if process.is_running(p)]
        for pid in pids:
            process.send(pid, number)
        deadline = time.monotonic() + wait_s
        while any(process.is_running(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)


def _clean_up(spool: Spool) -> None:
    """Run the end steps of the dead launcher: its containers are not its children."""
    try:
        stored = spool.plan()
        given = {f"{SECRET}{name}": value for name, value in spool.secrets().items()}
        plan = fill(from_json(stored["plan"]), {**stored["values"], **given})
    except (OSError, ValueError, LookupError, PlanError):  # torn by a power cut
        return
    begun = {e["name"] for e in spool.read_events() if e["type"] == "step_started"}
    mine = spool.meta().type == spools.DEPLOYMENT
    steps = [step for step in plan.steps if step.name in begun and (mine or not step.serves)]
    with spool.log.open("ab") as output:
        for argv, env in environment.cleanups(steps, spool.path):
            try:
                subprocess.run(
                    argv,
                    cwd=spool.work,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=environment.CLEANUP_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                log.warning("%s could not be run: %s", argv[0], error)


def _why(spool: Spool) -> tuple[str, dict[str, Any]]:
    """Return message id and arguments, with the last lines and the host's state for diagnosis."""
    args = {"last_lines": spool.last_lines(), "host": probe.load(spool.path)}
    started = [e for e in spool.read_events() if e["type"] == "started"]
    if not started:
        return "host:launcher_never_started", args
    if started[-1]["boot_id"] != process.boot_id():
        return "host:rebooted", args
    return "host:launcher_died", args


def _duration_s(spool: Spool, run: int) -> float | None:
    """From the start to the last sign of life, where both are of one boot; None without a start."""
    events = spool.read_events()
    began = [e for e in events if e["type"] == "started" and e["run"] == run]
    if not began:
        return None
    seen_at = max(spool.log.stat().st_mtime, events[-1]["at"])
    return max(0.0, float(seen_at - began[-1]["at"]))
