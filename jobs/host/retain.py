"""Spools on this host: dead ones end as lost, fresh ones start, unknown and old ones go."""

import contextlib
import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jobs.base.errors import PlanError
from jobs.host import probe
from jobs.host.base import disk, process
from jobs.host.base import spool as spools
from jobs.host.base.config import Config, HostLimits
from jobs.host.base.spool import Spool
from jobs.host.claim.claim import start_if_fresh
from jobs.host.run import commands
from jobs.host.run.redact import forms, redact
from jobs.plans import SECRET, fill, from_json

FEW_STARTS = 3
GRACE_S = 600.0  # time to replace a wrong database by the right one
PAUSE_S = 120.0  # not reported as unknown for so long: it was known meanwhile
# A change that is younger may hide another one within the same tick of the file system's clock.
SETTLED_NS = 2 * 10**9
# Folders with files that jobs made for other jobs; images of docker are nowhere in them.
MEASURED = ("environments", "weights", "artifacts", "datasets")
INTERVAL_S = 3600.0
log = logging.getLogger(__name__)


class Adopter:
    """Adopt spools. Its only state: how often it started a launcher that then did nothing."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._starts: dict[tuple[Path, int], int] = {}

    def adopt(self, spool: Spool) -> None:
        """Leave a running or ended spool, start a fresh one, close a dead one. Raises
        FileNotFoundError: it was set aside meanwhile."""
        if spool.is_running() or spool.exit() is not None:
            return
        meta = spool.meta()
        key = (spool.path, meta.run)
        # Under the guard a claim that has made the spool has also started it.
        with spools.guard(self._config.dir, f"{meta.type}-{meta.id}"):
            starts = self._starts.get(key, 0)
            if spool.was_started() or starts >= FEW_STARTS:
                close_dead(spool)
                return
            self._starts[key] = starts + 1
            start_if_fresh(self._config, spool)


def close_dead(spool: Spool) -> bool:
    """Write the last event of a run whose launcher died without one: *lost*. False: it lives. The
    lock decides, never a process id. What its commands left running is ended first."""
    lock = spool.lock(0.0)
    if lock is None:
        return False
    try:
        if spool.exit() is not None:
            return False
        run, events = spool.meta().run, spool.read_events()
        last = [e for e in events if e["type"] == "ended" and e["run"] == run]
        if last:  # the launcher died between its last event and exit.json
            spools.write_json(spool.path / "exit.json", last[-1])
            spool.keep_secrets({})
            return True
        _kill_marked(spool)
        _clean_up(spool)
        redact(spool.log, forms(spool.secrets().values()))
        started = [e for e in events if e["type"] == "started"]
        if not started:
            message_id = "host:launcher_never_started"
        elif started[-1]["boot_id"] != process.boot_id():
            message_id = "host:rebooted"
        else:
            message_id = "host:launcher_died"
        args = {"last_lines": spool.last_lines(), "host": probe.load(spool.path)}  # for diagnosis
        began = [e["at"] for e in started if e["run"] == run]
        duration_s = None
        if began:
            alive_at = max(spool.log.stat().st_mtime, events[-1]["at"])  # last sign of life
            duration_s = max(0.0, float(alive_at - began[-1]))
        spool.append_ended("lost", message_id, args, duration_s=duration_s)
        log.warning("%s ended without a record: %s", spool, message_id)
        return True
    finally:
        os.close(lock)


def stop_everything(host_dir: Path, grace_s: float) -> list[str]:
    """Cancel every job and server of this host and wait for them to end. What still runs after
    ``grace_s`` seconds is killed. Returns the names of those ("job 17"), which the agent will later
    report as lost."""
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
        pids = [p for p in commands.marked(spool.path) if process.is_running(p)]
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
    except (OSError, ValueError, LookupError, PlanError) as error:  # torn by a power cut
        log.error("%s: its end steps are not run, its plan cannot be read: %r", spool, error)
        return
    begun = {e["name"] for e in spool.read_events() if e["type"] == "step_started"}
    mine = spool.meta().type == spools.DEPLOYMENT
    steps = [step for step in plan.steps if step.name in begun and (mine or not step.serves)]
    with spool.log.open("ab") as output:
        for argv, env in commands.cleanups(steps, spool.path):
            try:
                subprocess.run(
                    argv,
                    cwd=spool.work,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=commands.CLEANUP_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                log.warning("%s could not be run: %s", argv[0], error)


class Orphans:
    """Spools unknown to the dashboard: stop them, then set them aside. ``clock`` is in seconds.
    They are another dashboard's, or this one's database has become an older one. No page shows
    them: no one could stop them, or know why their dies are in use."""

    def __init__(self, host_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._host_dir = host_dir
        self._clock = clock
        self._reported: dict[tuple[Path, str], tuple[float, float]] = {}  # first and last time

    def set_aside(self, spool: Spool) -> bool:
        """False: the spool still runs, or just began to end; to be tried again. Raises
        FileNotFoundError: it was set aside meanwhile."""
        meta, moment = spool.meta(), self._clock()
        key = (spool.path, meta.token)
        if not spool.is_running() and spools.set_aside(spool, self._host_dir) is not None:
            self._reported.pop(key, None)
            return True
        first, last = self._reported.get(key, (moment, moment))
        if moment - last > PAUSE_S:
            first = moment
        self._reported[key] = (first, moment)
        if moment - first >= GRACE_S and not spool.is_cancel_asked(meta.run):
            text = f"unknown to the dashboard for {GRACE_S:g} s: ending it"
            log.warning("%s: %s", spool, text)
            spool.note(text)
            spool.ask_cancel(meta.run)
        return False


class _Over(NamedTuple):
    """A job's spool that may go: since when (seconds since the epoch), and what it takes."""

    inode: int
    acked_at: float
    bytes: int


class Cleaner:
    """Remove spools of ended jobs that the dashboard has all of, in rounds.

    What a job made for others to use (weights, environments, artifacts, data sets) is in separate
    folders and is never touched. ``forget`` is called with each spool that was removed. ``sizes``:
    disk usage of spools and of those set aside at the end of the last round: ``{"spool_bytes",
    "aside_bytes"}``. The folder ``aside/`` is counted and never removed.
    """

    def __init__(self, host_dir: Path, limits: HostLimits, forget: Callable[[Spool], None]) -> None:
        self._host_dir = host_dir
        self._limits = limits
        self._forget = forget
        self._over: dict[Path, _Over] = {}  # measured once: nothing in them changes any more
        self._aside: dict[tuple[Path, int], int] = {}  # bytes by path and inode
        self.sizes: dict[str, int] = {}

    def clean(self, instance: str | None) -> None:
        """One round. Only spools that the dashboard ``instance`` has all of are removed."""
        for gone in self._leftovers():
            _remove_tree(gone)
        over: dict[Path, _Over] = {}
        others = []
        for spool in spools.all_spools(self._host_dir):
            ended = self._over_of(spool, instance) if spool.is_of_job and instance else None
            if ended is None:
                others.append(spool.path)
            else:
                over[spool.path] = ended
        self._over = over
        limits, moment = self._limits, time.time()
        left = sum(one.bytes for one in over.values())
        for path, one in sorted(over.items(), key=lambda item: item[1].acked_at):
            is_old = limits.spools_s and moment - one.acked_at > limits.spools_s
            is_much = limits.spools_bytes and left > limits.spools_bytes
            if (is_old or is_much) and self._remove(Spool(path)):
                left -= one.bytes
                del self._over[path]
        measured = sum(map(disk.taken_bytes, (*others, *self._leftovers())))
        self.sizes = {"spool_bytes": left + measured, "aside_bytes": self._aside_bytes()}

    def _over_of(self, spool: Spool, instance: str | None) -> _Over | None:
        try:
            inode, known = spool.path.stat().st_ino, self._over.get(spool.path)
            if known is not None and known.inode == inode:
                return known
            if spool.meta().instance != instance or not spool.is_acked() or spool.is_running():
                return None
            acked_at = (spool.path / "acked").stat().st_mtime
        except spools.UNREADABLE:  # set aside, or torn
            return None
        return _Over(inode, acked_at, disk.taken_bytes(spool.path))

    def _remove(self, spool: Spool) -> bool:
        """Return True if done. The spool's name goes first: no reader sees half."""
        # Under this guard a plan is made that may name it: a server's next run uses its job's
        # folder, and a later job may name a file in an earlier one's.
        with spools.guard(self._host_dir, "ports"):
            if re.search(re.escape(str(spool.path)) + r"(?!\d)", self._open_plans()):
                return False
            lock = spool.lock(0.0)
            if lock is None:
                return False
            try:
                inode = spool.path.stat().st_ino
                gone = spool.path.with_name(f".{spool.path.name}.{inode}.gone")
                spool.path.rename(gone)
            finally:
                os.close(lock)
        self._forget(spool)
        log.info("%s removed: the dashboard has all data", spool)
        _remove_tree(gone)
        return True

    def _open_plans(self) -> str:
        """Plans of spools that have not ended: they name all paths still in use."""
        texts = []
        for spool in spools.all_spools(self._host_dir):
            with contextlib.suppress(*spools.UNREADABLE):
                if spool.path not in self._over and spool.exit() is None:
                    texts.append((spool.path / "plan.json").read_text(errors="replace"))
        return "\n".join(texts)

    def _leftovers(self) -> list[Path]:
        """Paths that were not removed completely."""
        return list((self._host_dir / spools.JOBS_FOLDER).glob(".*.gone"))

    def _aside_bytes(self) -> int:
        folder = self._host_dir / "aside"
        paths = folder.iterdir() if folder.is_dir() else ()
        there = [(path, path.lstat().st_ino) for path in paths]
        self._aside = {key: self._aside.get(key) or disk.taken_bytes(key[0]) for key in there}
        return sum(self._aside.values())


def _remove_tree(path: Path) -> None:
    """As much as possible; each round retries. Containers may have written as root."""
    problems: list[object] = []
    shutil.rmtree(path, onerror=lambda _function, _path, problem: problems.append(problem[1]))
    if problems:
        log.warning("%s removed only in part: %s", path, problems[0])


class _Snapshot(NamedTuple):
    """Listing of a folder: its time of change, and the spools that were not closed."""

    changed_ns: int
    instance: str | None
    open: tuple[tuple[int, int], ...]  # number and inode of each, by number


class _Closed(NamedTuple):
    """A spool that needs nothing any more. The inode is another one when a spool of the same number
    has taken the place; of a server ``changed_ns`` is another one when its next run begins."""

    instance: str
    inode: int
    changed_ns: int


class SpoolIndex:
    """Index of the host's spools: the closed ones, by far the most, cost a round nothing.
    Thread-safe."""

    def __init__(self, host_dir: Path) -> None:
        self._host_dir = host_dir
        self._closed: dict[tuple[str, int], _Closed] = {}
        self._snapshots: dict[str, _Snapshot] = {}
        self._looking = threading.Lock()

    def open(self, instance: str | None) -> list[Spool]:
        """All but the closed ones of this dashboard; jobs first, by number. None: the dashboard is
        not identified yet, so none is closed."""
        with self._looking:
            return [
                Spool(self._host_dir / folder / str(number))
                for folder in spools.FOLDERS
                for number, _ in self._open_of(folder, instance)
            ]

    def close(self, spool: Spool, instance: str) -> None:
        """The spool needs no further look: the dashboard has all of it, and it has ended."""
        stat = spool.path.stat()
        if not spool.is_of_job and time.time_ns() - stat.st_mtime_ns < SETTLED_NS:
            return  # its next run may have begun in the same tick; closed at a later look
        with self._looking:
            self._closed[_key(spool)] = _Closed(instance, stat.st_ino, stat.st_mtime_ns)

    def reopen(self, spool: Spool) -> None:
        with self._looking:
            if self._closed.pop(_key(spool), None) is not None:
                # It lists only those that were open.
                self._snapshots.pop(spool.path.parent.name, None)

    def forget(self, spool: Spool) -> None:
        with self._looking:
            self._closed.pop(_key(spool), None)

    def _open_of(self, folder: str, instance: str | None) -> tuple[tuple[int, int], ...]:
        path = self._host_dir / folder
        changed_ns = path.stat().st_mtime_ns
        last = self._snapshots.get(folder)
        is_same = last is not None and (last.changed_ns, last.instance) == (changed_ns, instance)
        # Nobody came or went: only those that were open need a look. But a closed server may have
        # begun its next run, which shows in its own folder.
        is_settled = time.time_ns() - changed_ns > SETTLED_NS and folder == spools.JOBS_FOLDER
        if last and is_same and is_settled:
            there = last.open
        else:
            with os.scandir(path) as entries:
                there = tuple(sorted((int(e.name), e.inode()) for e in entries if e.name.isdigit()))
        still = tuple(one for one in there if not self._is_closed(folder, *one, instance))
        self._snapshots[folder] = _Snapshot(changed_ns, instance, still)
        return still

    def _is_closed(self, folder: str, number: int, inode: int, instance: str | None) -> bool:
        closed = self._closed.get((folder, number))
        if closed is None or (closed.instance, closed.inode) != (instance, inode):
            return False
        if folder == spools.JOBS_FOLDER:
            return True
        try:
            return (self._host_dir / folder / str(number)).stat().st_mtime_ns == closed.changed_ns
        except FileNotFoundError:
            return False


def _key(spool: Spool) -> tuple[str, int]:
    return spool.path.parent.name, int(spool.path.name)


class DiskUsage:
    """Disk usage of the folders ``MEASURED``. ``sizes``: folder → ``{"bytes", "at"}`` (seconds
    since the epoch); an unreadable folder is missing. They may hold hundreds of gigabytes in a
    hundred thousand files on a slow disk. So each is measured once an hour, and earlier only when
    an entry came or went in it: during a download of weights, at each round."""

    def __init__(self) -> None:
        self._marks: dict[str, object] = {}
        self.sizes: dict[str, dict[str, Any]] = {}

    def measure(self, folders: Mapping[str, str], *, at: float) -> None:
        """Measure the folders that are due; ``at`` is the time now."""
        for name in MEASURED:
            mark = _mark(folders[name]) if name in folders else None
            others = {key: value for key, value in self.sizes.items() if key != name}
            age_s = at - self.sizes.get(name, {"at": at})["at"]
            is_known = name in self.sizes and mark == self._marks[name] and 0 <= age_s < INTERVAL_S
            if mark is None:
                self.sizes = others
            elif not is_known:
                self._marks[name] = mark
                size = {"bytes": disk.taken_bytes(Path(folders[name])), "at": at}
                self.sizes = {**others, name: size}  # a new dict, because the heartbeat reads it


def _mark(folder: str) -> object:
    """A value that changes when an entry comes or goes in the folder or in its direct subfolders.
    None: the folder cannot be read."""
    try:
        with os.scandir(folder) as entries:
            inside = {each.name: _changed(each) for each in entries}
        return Path(folder).stat().st_mtime_ns, inside
    except OSError:
        return None


def _changed(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except FileNotFoundError:  # a download's part, which has its own name by now
        return 0
