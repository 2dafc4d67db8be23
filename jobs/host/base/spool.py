"""The folder of one job or one server on the host's disk: see docs/architecture.md, "The spool".

Standard library only: the launcher imports this module.
"""

import contextlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from jobs.base.errors import DISK_FULL
from jobs.base.files import is_locked, locked, size_and_sha256, sync_folder, take_lock, write_atomic
from jobs.host.base import process

JOB = "job"
DEPLOYMENT = "deployment"
JOBS_FOLDER, SERVERS_FOLDER = FOLDERS = ("spool", "serve")
# Of a spool that was set aside meanwhile, or torn by a power cut.
UNREADABLE = (ValueError, LookupError, TypeError, OSError)
FULL_LOOK_S = 0.5  # how often a full disk is tried again
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Meta:
    """Owner of a spool. ``type`` is "job" or "deployment"; a job's ``run`` is always 1."""

    type: str
    id: int
    instance: str
    token: str
    run: int
    dashboard: str


class Spool:
    """One spool folder. Holds no state but its paths: any process may have its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.events = path / "events.jsonl"
        self.points = path / "points.jsonl"
        self.work = path / "work"  # working folder of the commands

    def __repr__(self) -> str:
        return f"Spool({str(self.path)!r})"

    @property
    def host_dir(self) -> Path:
        return self.path.parent.parent

    @property
    def is_of_job(self) -> bool:
        """Else it is a server's, which may have a next run."""
        return self.path.parent.name == JOBS_FOLDER

    def meta(self) -> Meta:
        """Raises FileNotFoundError where there is no spool (any more)."""
        return Meta(**read_json(self.path / "meta.json"))

    def plan(self) -> dict[str, Any]:
        """``{"plan", "values", "deployment"}``, the host's own values included."""
        return dict(read_json(self.path / "plan.json"))

    def secrets(self) -> dict[str, str]:
        """Name -> secret of the present run; empty once it has ended."""
        text = self._text("secrets.json")
        return {} if text is None else dict(json.loads(text))

    def keep_secrets(self, given: Mapping[str, str]) -> None:
        if given:
            write_json(self.path / "secrets.json", dict(given), mode=0o600)
        else:
            (self.path / "secrets.json").unlink(missing_ok=True)

    def exit(self) -> dict[str, Any] | None:
        """The ``ended`` event of the present run; None while there is none."""
        text = self._text("exit.json")
        ended = None if text is None else dict(json.loads(text))
        return ended if ended is not None and ended["run"] == self.meta().run else None

    def is_running(self) -> bool:
        """True while a launcher holds the lock."""
        return bool(is_locked(self.path / "lock"))

    def lock(self, wait_s: float = 1.0) -> int | None:
        """Return the descriptor, or None when a launcher has it. Wait a moment, because
        :meth:`is_running` holds the lock during its check."""
        return take_lock(self.path / "lock", wait_s)

    def was_started(self) -> bool:
        """True when the launcher of the present run has begun: its commands may have run."""
        run = self.meta().run
        return any(e["type"] == "started" and e["run"] == run for e in self.read_events())

    def read_events(self) -> list[dict[str, Any]]:
        """All whole events, oldest first, without lines that a power cut tore."""
        try:
            text = self.events.read_bytes()
        except FileNotFoundError:
            return []
        events = []
        for line in text[: text.rfind(b"\n") + 1].splitlines():
            with contextlib.suppress(ValueError):
                events.append(json.loads(line))
        return events

    def append_event(self, type: str, **fields: Any) -> dict[str, Any]:
        """Write one event to the disk. Only for the holder of the lock."""
        return self.append_events([(type, fields)])[0]

    def append_events(self, events: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
        """Write events, each a type and its fields, to the disk together."""
        self.events.touch()
        with self.events.open("r+b") as file:
            text = file.read()
            # Half a line is what a full disk or a power cut left; it was never shipped.
            whole = text.rfind(b"\n") + 1
            now = {"at": time.time(), "mono": time.monotonic()}
            written = [
                {"seq": seq, "type": type, **now, **fields}
                for seq, (type, fields) in enumerate(events, text.count(b"\n"))
            ]
            file.truncate(whole)
            file.seek(whole)
            # A file's name may be no UTF-8.
            lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in written]
            file.write("".join(lines).encode(errors="replace"))
            file.flush()
            os.fsync(file.fileno())
        return written

    def append_ended(
        self,
        verdict: str,
        message_id: str,
        message_args: Mapping[str, Any],
        *,
        exit_code: int | None = None,
        duration_s: float | None = None,
        outputs: list[dict[str, Any]] | None = None,
        wait_s: float = 0.0,
    ) -> None:
        """Write the last event and ``exit.json``, then forget the secrets. Only for the holder of
        the lock. ``wait_s``: how long to wait for room on a full disk."""
        if self.meta().type == DEPLOYMENT:
            # No checksum: the log grows for months, and reading it would delay the next run.
            log_bytes, log_sha256 = self.log.stat().st_size if self.log.exists() else 0, ""
        else:
            log_bytes, log_sha256 = size_and_sha256(self.log)
        fields = {
            "verdict": verdict,
            "message_id": message_id,
            "message_args": dict(message_args),
            "exit_code": exit_code,
            "duration_s": duration_s,
            "log_bytes": log_bytes,
            "log_sha256": log_sha256,
            "points_bytes": whole_lines_size(self.points),
            "outputs": outputs or [],
            "run": self.meta().run,
        }
        event = when_room(lambda: self.append_event("ended", **fields), wait_s)
        when_room(lambda: write_json(self.path / "exit.json", event), wait_s)
        self.keep_secrets({})

    def note(self, text: str) -> None:
        """To ``launcher.log``, which nothing but a person reads."""
        with (self.path / "launcher.log").open("a") as file:
            file.write(f"{text}\n")

    def ask_cancel(self, run: int | None = None) -> None:
        """Ask this run (None: the present one) to stop; a late request never stops the next run."""
        self._mark("cancel", self.meta().run if run is None else run)

    def is_cancel_asked(self, run: int) -> bool:
        """An empty file is made by hand, and stops any run."""
        text = self._text("cancel")
        return text is not None and text.strip() in ("", str(run))

    def mark_acked(self, run: int) -> None:
        """Store that the dashboard has everything, up to the end of this run."""
        self._mark("acked", run)

    def is_acked(self) -> bool:
        return self._is_marked("acked")

    def mark_ready(self, run: int) -> None:
        self._mark("ready", run)

    def was_ready(self) -> bool:
        return self._is_marked("ready")

    def _mark(self, name: str, run: int) -> None:
        write_atomic(self.path / name, str(run).encode())

    def _is_marked(self, name: str) -> bool:
        """Return True if the mark is of the present run."""
        text = self._text(name)
        return text is not None and int(text) == self.meta().run

    def _text(self, name: str) -> str | None:
        with contextlib.suppress(FileNotFoundError):
            return (self.path / name).read_text(encoding="utf-8")
        return None

    def last_lines(self, count: int = 10, longest: int = 2000) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 4 * longest))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        # A progress bar updates its line after each "\r": the last update is the line.
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
        return "\n".join([line for line in lines if line.strip()][-count:])[-longest:]


def create(
    path: Path,
    meta: Meta,
    plan: Mapping[str, Any],
    values: Mapping[str, str],
    deployment: Any,
    secrets: Mapping[str, str] | None = None,
) -> Spool:
    """Make a spool, whole or not at all. ``plan`` is ``Plan.to_json()``. Raises FileExistsError:
    there is one of this path."""
    if path.exists():
        raise FileExistsError(path)
    new = path.parent / f".{path.name}.new"
    shutil.rmtree(new, ignore_errors=True)
    for folder in (new, new / "files", new / "work"):
        folder.mkdir(parents=True)
    (new / "log").touch()
    write_json(new / "plan.json", {"plan": plan, "values": values, "deployment": deployment})
    write_json(new / "meta.json", asdict(meta), mode=0o600)
    Spool(new).keep_secrets(secrets or {})
    new.rename(path)
    sync_folder(path.parent)
    return Spool(path)


def begin_run(
    spool: Spool,
    meta: Meta,
    plan: Mapping[str, Any],
    values: Mapping[str, str],
    secrets: Mapping[str, str],
) -> None:
    """Make the spool of a server ready for its next run. Only for the holder of the lock. Log and
    events go on where they are. ``meta.json`` comes last: until then the run before counts."""
    write_json(spool.path / "plan.json", {"plan": plan, "values": values, "deployment": None})
    (spool.path / "cancel").unlink(missing_ok=True)
    spool.keep_secrets(secrets)
    write_json(spool.path / "meta.json", asdict(meta), mode=0o600)


def set_aside(spool: Spool, host_dir: Path) -> Path | None:
    """Move a spool that belongs to no dashboard of ours to ``aside/``; None while it runs."""
    fd = spool.lock()
    if fd is None:
        return None
    try:
        meta = spool.meta()
        kind = "serve-" if meta.type == DEPLOYMENT else ""
        name = f"{meta.instance}-{kind}{meta.id}"
        aside = host_dir / "aside"
        aside.mkdir(exist_ok=True)
        target, again = aside / name, 1
        while target.exists():
            again += 1
            target = aside / f"{name}.{again}"
        spool.path.rename(target)
    finally:
        os.close(fd)
    return target


def all_spools(host_dir: Path) -> list[Spool]:
    """Jobs first, by number."""
    spools = []
    for folder in (host_dir / name for name in FOLDERS):
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        spools += [Spool(folder / name) for name in sorted(filter(str.isdigit, names), key=int)]
    return spools


@contextlib.contextmanager
def guard(host_dir: Path, name: str) -> Iterator[None]:
    """Let one process or thread at a time through, by name: "job-17", "deployment-3"."""
    folder = host_dir / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f"{name}.lock"):
        yield


def when_room(write: Callable[[], _T], wait_s: float) -> _T:
    """Retry ``write()`` for ``wait_s`` seconds while the disk is full. Raises OSError: the disk is
    full still, or it is something else."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return write()
        except OSError as error:
            if error.errno not in DISK_FULL or time.monotonic() >= deadline:
                raise
        time.sleep(FULL_LOOK_S)


def write_json(path: Path, data: Any, *, mode: int = 0o644) -> None:
    text = json.dumps(data, ensure_ascii=False)
    write_atomic(path, text.encode(errors="replace"), mode=mode)


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def whole_lines_size(path: Path) -> int:
    """Bytes up to the end of the last whole line; 0 when there is no such file."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0


def launcher_pid(spool: Spool) -> int | None:
    """None unless it is surely still that process."""
    try:
        record = read_json(spool.path / "launcher.json")
    except FileNotFoundError:
        return None
    is_same_boot = record["boot_id"] == process.boot_id()
    is_same = is_same_boot and process.start_ticks(record["pid"]) == record["start_ticks"]
    return int(record["pid"]) if is_same else None
