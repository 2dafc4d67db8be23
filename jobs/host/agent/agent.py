"""The host's own process: heartbeat, claims, adoption, shipping.
``python -m jobs.host.agent.agent``.

It needs neither Celery nor Redis. While the dashboard is away, its reports wait. Killing it loses
nothing: its state is on the disk.
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jobs.base.errors import JobsError
from jobs.base.files import take_lock
from jobs.host import checks, probe
from jobs.host.base import engine_http, process
from jobs.host.base import spool as spools
from jobs.host.base.client import Client, Unreachable
from jobs.host.base.config import Config, ConfigError, load, write_limits
from jobs.host.base.disk import FolderChanges
from jobs.host.base.spool import Spool
from jobs.host.claim import claim
from jobs.host.retain import Adopter, Cleaner, DiskUsage, Orphans, SpoolIndex
from jobs.host.ship import Shipped, Shipper
from jobs.plans import HEALTH_MARK, from_json

HEARTBEAT_S = 2.0
QUIET_HEARTBEAT_S = 6.0  # with a queue of hints, while the host has neither job nor server
WATCHED_TICK_S = 0.1  # how soon an order to stop is noticed
TICK_S = 0.02  # how soon a new spool is noticed where the kernel reports none
LOOK_S = 0.5  # interval of checking all spools, because a launcher may have died
STOP_S = 5.0
FACTS_S = 60.0
CLEAN_S = 300.0  # interval of removing ended spools, and of measuring disk usage
READINGS_S = 10.0  # interval of reading temperature and power of the cards
READINGS_FRESH_S = 30.0  # while a tool hangs, old numbers must not pass for new ones
UNKNOWN_WAIT_S = 30.0  # retry interval of a running spool unknown to the dashboard
DISK_WAIT_S = 5.0  # retry interval of a spool after an error of the disk
LOCK_WAIT_S = 30.0
REPEAT_S = 600.0  # interval of logging a repeated message
MOST_MESSAGES = 500  # different ones that are remembered
LOADING, READY, UNHEALTHY = "loading", "ready", "unhealthy"
LOOPBACK = "127.0.0.1"
ASK_S = 0.5  # of a server that loads
ASK_READY_S = 2.0
TIMEOUT_S = 4.0  # of a health request: from the connection to the last header
PATIENCE = 3  # failures in a row before a server that was ready is unhealthy
log = logging.getLogger(__name__)
Key = TypeVar("Key", bound=Hashable)


class Health:
    """The health of one run of a server, from the path of its port that its plan names. *loading*
    until the first 200, *ready*, *unhealthy* after three failures in a row. ``changed`` is called
    from the thread when the word changes."""

    def __init__(self, spool: Spool, port: int, changed: Callable[[], None]) -> None:
        self._spool = spool
        self._run = spool.meta().run
        self._port = port
        plan = spool.plan()["plan"]
        self.path = from_json(plan).steps[-1].health  # of the server itself
        # The one address that the server listens on, or this machine's own.
        self._address = str(plan.get("address") or LOOPBACK)
        self._changed = changed
        self._stopped = threading.Event()
        self._is_marked = self.path != "/health" and "?" not in self.path
        self.state = READY if spool.was_ready() else LOADING
        threading.Thread(target=self._ask, name=f"health {spool.path.name}", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _ask(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            fine = self._is_fine()
            failures = 0 if fine else failures + 1
            before = self.state
            if fine:
                self.state = READY
            elif before == READY and failures >= PATIENCE:
                self.state = UNHEALTHY
            if self.state != before:
                try:
                    if fine:
                        self._spool.mark_ready(self._run)
                except FileNotFoundError:  # set aside
                    self.stop()
                self._changed()
            self._stopped.wait(ASK_READY_S if self.state == READY and fine else ASK_S)

    def _is_fine(self) -> bool:
        """Ask without the mark from now on, if only the mark is rejected."""
        if self.state != LOADING and self._is_marked:
            code = status(self._port, f"{self.path}?{HEALTH_MARK}", self._address)
            if code in (0, 200):
                return code == 200
            self._is_marked = status(self._port, self.path, self._address) != 200
            return not self._is_marked
        return status(self._port, self.path, self._address) == 200


def status(port: int, path: str, at: str = LOOPBACK) -> int:
    """Return 0 without an answer."""
    host = f"[{at}]" if ":" in at else at
    # A new connection each time: a server that takes no new connection is unhealthy.
    try:
        return engine_http.status(f"http://{host}:{port}{path}", within_s=TIMEOUT_S)
    except (OSError, ValueError):
        return 0


class Agent:
    """One loop in the main thread. A thread for each of heartbeats, facts, readings of the cards,
    removal of spools, disk usage, each spool that is shipped or adopted, each preflight check."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._client = Client(config)
        self._adopter = Adopter(config)
        self._orphans = Orphans(config.dir)
        self._started_at = time.time()
        self._boot_id = process.boot_id()
        self._stop_asked = False
        self._stopped = threading.Event()
        self._beat_now = threading.Event()
        self._shippers: dict[Path, threading.Thread] = {}
        self._not_before: dict[Path, float] = {}
        self._spool_index = SpoolIndex(config.dir)
        self._cleaner = Cleaner(config.dir, config.limits, self._forget)
        self._disk_usage = DiskUsage()
        self._broken: dict[Path, str] = {}  # why it can never be shipped; reported, then set aside
        self._unreadable: set[Path] = set()
        self._adopting: dict[Path, threading.Thread] = {}
        self._healths: dict[tuple[Path, int], Health] = {}
        self._checking: dict[int, threading.Thread] = {}
        self._facts: dict[str, Any] | None = None
        self._facts_sent: dict[str, Any] | None = None
        self._readings: tuple[float, dict[str, Any]] = (0.0, {})  # when (monotonic), what
        self._reachable = True
        self._refused_with = 0  # a status that is logged once, not every two seconds
        self._is_quiet = False  # after the last report

    def stop(self) -> None:
        """Only set a flag, because a signal calls this; jobs and servers continue."""
        self._stop_asked = True

    def run(self) -> None:
        self._roots()
        self._boundary(self._write_limits)
        woken_at = _changed(self._config.dir / "wakeup")
        threading.Thread(target=self._keep_beating, daemon=True).start()
        for works in (
            (FACTS_S, self._probe),
            (READINGS_S, self._read_cards),
            # Limits again: the disk may have been full at the start.
            (CLEAN_S, self._write_limits, lambda: self._cleaner.clean(self._client.instance())),
            (CLEAN_S, lambda: self._disk_usage.measure(self._roots(), at=time.time())),
        ):
            threading.Thread(target=self._repeat, args=works, daemon=True).start()
        folders = [self._config.dir / name for name in spools.FOLDERS]
        with FolderChanges(self._config.dir, *folders) as changes:
            self._watch(folders, changes, woken_at)
        self._stopped.set()
        deadline = time.monotonic() + STOP_S
        for thread in self._shippers.values():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _watch(
        self, folders: Sequence[Path], changes: FolderChanges, woken_at: tuple[int, int]
    ) -> None:
        """Check the spools when one comes or goes, and ask the dashboard when told to.
        ``woken_at``: of the last order that was heard."""
        before, next_look, is_news = [(0, 0)], 0.0, False
        while not self._stop_asked:
            last, woken_at = woken_at, _changed(self._config.dir / "wakeup")
            if woken_at != last:
                self._beat_now.set()
            changed = [_changed(folder) for folder in folders]
            # Two changes within one tick of the file system's clock have one time.
            if is_news or changed != before or time.monotonic() >= next_look:
                before, next_look = changed, time.monotonic() + LOOK_S
                self._boundary(self._check_spools)
            is_news = changes.wait(WATCHED_TICK_S if changes.works else TICK_S)

    def _repeat(self, interval_s: float, *works: Callable[[], None]) -> None:
        while not self._stopped.is_set():
            for work in works:
                self._boundary(work)
            self._stopped.wait(interval_s)

    def _keep_beating(self) -> None:
        """In a thread of its own: a slow dashboard delays nothing else."""
        while not self._stopped.is_set():
            self._beat_now.clear()
            self._is_quiet = False
            self._boundary(self._heartbeat)
            self._beat_now.wait(QUIET_HEARTBEAT_S if self._is_quiet else HEARTBEAT_S)

    def _boundary(self, work: Callable[[], None]) -> None:
        """After any error, the agent continues with the next round."""
        try:
            work()
        except Unreachable as error:
            if self._reachable:
                log.warning("%s; retry every %g s", error, HEARTBEAT_S)
            self._reachable = False
        except Exception:
            log.exception("the agent continues after an error")

    def _check_spools(self) -> None:
        known = self._client.instance()
        alive: set[tuple[Path, int]] = set()
        for spool in self._spool_index.open(known):
            try:
                meta = spool.meta()
                if known is not None and meta.instance != known:
                    self._orphans.set_aside(spool)
                    continue
                self._adopt(spool)
                if not spool.is_acked():
                    is_due = time.monotonic() >= self._not_before.get(spool.path, 0.0)
                    if is_due and spool.path not in self._broken:
                        work, name = partial(self._ship, spool), f"ship {spool.path.name}"
                        _begin(self._shippers, spool.path, work, name)
                elif spool.exit() is not None:
                    self._not_before.pop(spool.path, None)
                    self._spool_index.close(spool, meta.instance)
                if meta.type == spools.DEPLOYMENT and spool.exit() is None:
                    key = (spool.path, meta.run)
                    alive.add(key)
                    port = spool.plan()["values"].get("port")
                    if port and key not in self._healths:
                        self._healths[key] = Health(spool, int(port), self._beat_now.set)
            except FileNotFoundError:
                continue  # set aside meanwhile, or never whole
            except spools.UNREADABLE:
                self._log_unreadable(spool)
        for key in set(self._healths) - alive:
            self._healths.pop(key).stop()

    def _adopt(self, spool: Spool) -> None:
        """Adopt in a thread: to end and read the rest of a dead launcher may take minutes."""
        if spool.is_running() or spool.exit() is not None:
            return

        def work() -> None:
            try:
                with contextlib.suppress(FileNotFoundError):  # set aside meanwhile
                    self._adopter.adopt(spool)
            except spools.UNREADABLE:
                self._log_unreadable(spool)

        _begin(self._adopting, spool.path, work, f"adopt {spool.path.name}")

    def _forget(self, spool: Spool) -> None:
        self._spool_index.forget(spool)
        self._unreadable.discard(spool.path)

    def _log_unreadable(self, spool: Spool) -> None:
        """Once: it is missing in reports, so the dashboard notices."""
        if spool.path not in self._unreadable:
            self._unreadable.add(spool.path)
            log.exception("%s cannot be read: skipped", spool)

    def _ship(self, spool: Spool) -> None:
        keeps = self._config.limits.server_log_bytes
        try:
            shipper = Shipper(spool, self._client, server_log_bytes=keeps)
            outcome = shipper.run(self._stopped)
        except FileNotFoundError:
            return
        except OSError as error:  # a disk that is full or broken
            log.warning("%s cannot be shipped now: %s", spool, error)
            self._not_before[spool.path] = time.monotonic() + DISK_WAIT_S
            return
        if outcome is Shipped.BROKEN:
            log.error("%s cannot be shipped: %s", spool, shipper.broken_by)
            self._broken[spool.path] = shipper.broken_by
        if outcome is Shipped.UNKNOWN:
            log.warning("%s is unknown to the dashboard", spool)
            with contextlib.suppress(FileNotFoundError):  # set aside meanwhile
                if not self._orphans.set_aside(spool):
                    self._not_before[spool.path] = time.monotonic() + UNKNOWN_WAIT_S
        # With a queue of hints, the next job is on its way already.
        if not (outcome is Shipped.COMPLETE and spool.is_of_job and self._config.redis_url):
            self._beat_now.set()

    def _heartbeat(self) -> None:
        facts, before = self._facts, self._client.instance()
        report = self._report()
        if facts is not self._facts_sent:
            report["facts"] = facts
        answer = self._client.heartbeat(report)
        if answer.status != 200:
            if answer.status != self._refused_with:
                log.warning("heartbeat: %s %s", answer.status, dict(answer.body))
            self._refused_with = answer.status
            if self._client.instance() != before:  # 412; the dashboard is identified now
                self._beat_now.set()
            return
        if not self._reachable:
            log.info("the dashboard responds again")
        self._reachable, self._refused_with = True, 0
        if "facts" in report:
            self._facts_sent = facts
        elif answer.body.get("facts_wanted") and facts is not None:
            self._facts_sent = None
            self._beat_now.set()
        # Broken spools go: of jobs once the dashboard knows, of servers at once.
        reported = {job["id"] for job in report["jobs"] if "broken" in job}
        for path in list(self._broken):
            spool = Spool(path)
            is_known = not spool.is_of_job or int(path.name) in reported
            if is_known and spools.set_aside(spool, self._config.dir) is not None:
                del self._broken[path]
        orders = [each for each in answer.body.values() if isinstance(each, list)]
        self._is_quiet = bool(self._config.redis_url) and not any(
            (report["jobs"], report["serves"], *orders)
        )
        self._follow_orders(answer.body, {serve["id"]: serve["run"] for serve in report["serves"]})

    def _follow_orders(self, body: Mapping[str, Any], runs: Mapping[int, int]) -> None:
        """Do what the dashboard asks for; a request that fails leaves the others alone. ``runs``
        are those that were reported: a stop is meant for them, not for a later one."""
        for kind, key in ((spools.JOB, "cancel"), (spools.DEPLOYMENT, "stop_serve")):
            for number in body.get(key, ()):
                run = 1 if kind == spools.JOB else runs.get(number, 0)
                if claim.cancel(self._config, self._client, kind, number, run=run):
                    log.info("asked %s %s to stop", kind, number)
        for number in body.get("resend", ()):
            self._resend(Spool(self._config.dir / spools.JOBS_FOLDER / str(int(number))))
        for number in body.get("checks", ()):
            # A tool that hangs holds nothing else up.
            work = partial(self._boundary, partial(self._check, number))
            _begin(self._checking, number, work, f"check {number}")
        starts = [*body.get("start", ()), *claim.half_claimed(self._config)]
        serves = body.get("serve", ())
        for claimer, numbers in ((claim.claim_job, starts), (claim.claim_deployment, serves)):
            for number in numbers:
                try:
                    claimer(self._config, self._client, int(number))
                except (JobsError, OSError) as error:
                    log.warning("%s %s: %s", claimer.__name__, number, error)

    def _resend(self, spool: Spool) -> None:
        """Send a job again that the dashboard's database has lost: an older one was restored."""
        with contextlib.suppress(FileNotFoundError):  # removed, or never here
            if spool.meta().instance != self._client.instance():
                return
            if spool.is_acked():
                (spool.path / "acked").unlink()
                log.warning("%s is sent again: the dashboard asked for it", spool)
            self._spool_index.reopen(spool)

    def _check(self, number: int) -> None:
        answer = self._client.check(number)
        if answer.status == 200:
            plan, values = from_json(answer.body["plan"]), answer.body["values"]
            self._client.checked(number, checks.run(self._config, plan, values))

    def _report(self) -> dict[str, Any]:
        jobs, serves = [], []
        known = self._client.instance()
        for spool in self._spool_index.open(known):
            try:
                meta = spool.meta()
                if meta.instance != known or spool.is_acked():
                    continue
                state = "running" if spool.exit() is None else "ended"
                about: dict[str, Any] = {"id": meta.id, "token": meta.token, "state": state}
                if spool.path in self._broken:
                    about["broken"] = self._broken[spool.path]
                if meta.type == spools.JOB:
                    jobs.append(about)
                else:
                    health = self._healths.get((spool.path, meta.run))
                    port = spool.plan()["values"].get("port")
                    # Until its first check the state that an earlier agent saw holds.
                    first = READY if spool.was_ready() else LOADING
                    about["run"], about["port"] = meta.run, int(port) if port else None
                    serves.append({**about, "health": health.state if health else first})
            except FileNotFoundError:
                continue
            except spools.UNREADABLE:
                self._log_unreadable(spool)
        read_at, readings = self._readings
        load = {
            **probe.load(self._config.dir),
            "disk_reserve_bytes": self._config.limits.disk_reserve_bytes,
            **self._cleaner.sizes,
            **({"disk_usage": self._disk_usage.sizes} if self._disk_usage.sizes else {}),
            **(readings if time.monotonic() - read_at < READINGS_FRESH_S else {}),
        }
        return {
            "boot_id": self._boot_id,
            "agent_started_at": self._started_at,
            "now": time.time(),
            "load": load,
            "jobs": jobs,
            "serves": serves,
        }

    def _roots(self) -> dict[str, str]:
        return probe.roots(self._config.dir, self._config.workspace)

    def _write_limits(self) -> None:
        write_limits(self._config.limits, self._config.dir)

    def _read_cards(self) -> None:
        self._readings = (time.monotonic(), probe.readings(self._config))

    def _probe(self) -> None:
        self._facts = probe.probe(self._config)
        self._beat_now.set()


def _changed(path: Path) -> tuple[int, int]:
    """Return time of change and inode; each change alters one of them."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_ino)


def _begin(
    threads: dict[Key, threading.Thread], key: Key, work: Callable[[], None], name: str
) -> None:
    """Do the work in a thread, unless the thread of this key still works."""
    for ended in [one for one, thread in threads.items() if not thread.is_alive()]:
        del threads[ended]
    if key not in threads:
        thread = threading.Thread(target=work, name=name, daemon=True)
        thread.start()
        threads[key] = thread


class DuplicateFilter(logging.Filter):
    """Pass each message once in ten minutes, the next time with its number of repeats: an error may
    repeat for a day. ``clock`` is in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._logged: dict[str, list[float]] = {}  # time of the last passed message, repeats since

    def filter(self, record: logging.LogRecord) -> bool:
        text, moment = record.getMessage(), self._clock()
        key = f"{text} {record.exc_info[1]!r}" if record.exc_info else text
        known = self._logged.get(key)
        if known is not None and moment - known[0] < REPEAT_S:
            known[1] += 1
            return False
        if known is not None and known[1]:
            record.msg, record.args = f"{text} ({known[1]:.0f} times more since then)", ()
        self._logged.pop(key, None)
        self._logged[key] = [moment, 0]
        if len(self._logged) > MOST_MESSAGES:
            del self._logged[next(iter(self._logged))]
        return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="jobs.host.agent.agent", description="The agent of a host."
    )
    parser.add_argument("--env", type=Path, help="file with HOST_NAME, DASHBOARD_URL, …")
    options = parser.parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s agent %(levelname)s %(message)s", stream=sys.stderr
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(DuplicateFilter())
    try:
        config = load(file=options.env)
    except ConfigError as error:
        log.error("%s", error)
        return 2
    lock = take_lock(config.dir / "agent.lock", LOCK_WAIT_S)
    if lock is None:
        log.error("another agent already uses %s (HOST_DIR)", config.dir)
        return 1
    agent = Agent(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
    os.close(lock)
    return 0


if __name__ == "__main__":
    sys.exit(main())
