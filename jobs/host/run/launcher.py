"""Run one Plan, detached from its starter: ``python -m jobs.host.run.launcher SPOOL``.

It needs neither Redis nor Django nor the network, only the spool folder. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.base.errors import JobsError
from jobs.host.base import process
from jobs.host.base import spool as spools
from jobs.host.base.spool import Spool
from jobs.host.probe import probe
from jobs.host.run import environment, spawn
from jobs.host.run.commands import Commands
from jobs.host.run.log_limit import LogLimit
from jobs.host.run.redact import forms, redact
from jobs.host.run.scraper import Scraper
from jobs.host.run.serving import Server
from jobs.plans import SECRET, Output, Plan, Step, fill, from_json

GRACE_S = 10.0
LOG_LIMIT_GRACE_S = 2.0  # for a log that fills the disk: ten seconds are another gigabyte
# Time to free space on a full disk: what the launcher cannot write is lost.
ROOM_S = 600.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Verdict:
    """State at the end, and its message."""

    verdict: str
    message_id: str
    message_args: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


CANCELLED = Verdict("cancelled", "cancelled")


class Launcher:
    """One run of one plan. The caller holds the spool's lock."""

    def __init__(self, spool: Spool, *, grace_s: float = GRACE_S) -> None:
        self._spool = spool
        self._meta = spool.meta()
        self._grace_s = grace_s
        self._started = time.monotonic()
        self._oom_kills = process.oom_kills()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._log_fd = os.open(spool.log, flags, 0o644)
        self._commands = Commands(spool.path, self._log_fd)
        self._log_limit = LogLimit(
            self._log_fd, spool.host_dir, is_server=self._meta.type == spools.DEPLOYMENT
        )
        self._server: Server | None = None
        self._scraper: Scraper | None = None
        self._outputs: tuple[Output, ...] = ()
        self._secrets: dict[str, str] = {}
        self._server_step = ""  # of a server's plan: the one that is to go on
        self._begun: list[Step] = []  # those whose command was started here

    def run(self) -> Verdict:
        """Run all and write the last event. Never raises but for a disk that takes nothing."""
        try:
            verdict = self._run_plan()
        except JobsError as error:
            verdict = Verdict("failed", error.id, {"problem": str(error)})
        except Exception as error:  # a process boundary: the job must get its verdict
            log.exception("the launcher failed")
            verdict = Verdict("failed", "internal:launcher", {"problem": repr(error)})
        if self._server is not None and verdict.verdict != "succeeded":
            self._server.stop()
        self._commands.kill_leftovers()
        self._clean_up()
        if self._scraper is not None:
            self._scraper.stop()
        return self._conclude(verdict)

    def _run_plan(self) -> Verdict:
        stored = self._spool.plan()
        self._write_event(
            "started", values=stored["values"], boot_id=process.boot_id(), run=self._meta.run
        )
        template = from_json(stored["plan"])
        self._secrets = self._spool.secrets()
        given = {f"{SECRET}{name}": value for name, value in self._secrets.items()}
        plan = template if template.filled else fill(template, {**stored["values"], **given})
        self._outputs = plan.outputs
        self._server_step = plan.steps[-1].name
        write_files(plan, self._spool.path / "files")
        self._scraper = self._start_scraper(plan)
        exit_code = None
        for index, step in enumerate(plan.steps):
            failure = self._asked_to_stop() or self._run_step(index, step, template, stored)
            if failure is not None:
                return failure
            exit_code = 0
        return Verdict("succeeded", "done", {}, exit_code)

    def _start_scraper(self, plan: Plan) -> Scraper | None:
        """Scrape what the plan names. Of a plan that serves, the launcher of its server does."""
        is_server = self._meta.type == spools.DEPLOYMENT
        if not plan.watches or (not is_server and any(step.serves for step in plan.steps)):
            return None
        return Scraper(plan.watches, self._spool.points, endless=is_server)

    def _run_step(
        self, index: int, step: Step, template: Plan, stored: dict[str, Any]
    ) -> Verdict | None:
        """Run one step; None when it went well."""
        began = time.monotonic()
        self._event("step_started", index, step)
        if step.serves and self._meta.type == spools.JOB:
            # All steps of the server run in its own launcher, which the first of them starts.
            failure = self._start_server(template, stored) if self._server is None else None
            code = 0 if failure is None else 1
        else:
            failure, code = self._run_command(step)
        self._event("step_ended", index, step, exit_code=code, duration_s=time.monotonic() - began)
        return failure

    def _start_server(self, template: Plan, stored: dict[str, Any]) -> Verdict | None:
        self._server = Server(self._spool, self._meta, stored)
        pid = self._server.start(template)
        if pid is None:
            return Verdict("failed", "host:serve_busy", {"deployment": self._server.deployment})
        self._commands.spare(pid)
        self._write_event("serve_started", deployment=self._server.deployment, run=self._server.run)
        return None

    def _run_command(self, step: Step) -> tuple[Verdict | None, int]:
        """Run one command to its end, or end it. The verdict (None: go on) and its exit code."""
        env = environment.of_step(step.env, self._spool.path, step.path)
        cwd = Path(step.cwd) if step.cwd else self._spool.work
        self._begun.append(step)
        try:
            pid = self._commands.start(step.argv, env, cwd)
        except FileNotFoundError:
            if not cwd.is_dir():
                args = {"step": step.name, "folder": str(cwd)}
                return Verdict("failed", "work:no_folder", args, 127), 127
            args = {"step": step.name, "command": step.argv[0]}
            return Verdict("failed", "work:not_found", args, 127), 127
        except OSError as error:
            problem = {"step": step.name, "command": step.argv[0], "problem": str(error)}
            return Verdict("failed", "work:not_started", problem, 126), 126
        deadline = None if step.timeout_s is None else time.monotonic() + step.timeout_s
        while (code := self._commands.exit_code(pid)) is None:
            exceeded = self._exceeds_log_limit(step)
            stopped = self._asked_to_stop() or self._out_of_time(step, deadline) or exceeded
            if stopped is not None:
                grace_s = min(self._grace_s, LOG_LIMIT_GRACE_S) if exceeded else self._grace_s
                self._commands.end(pid, grace_s)
                code = self._commands.exit_code(pid)
                code = -9 if code is None else code
                # The job that waits for a server reports how the server's command ended.
                verdict = replace(stopped, exit_code=code) if stopped is exceeded else stopped
                return verdict, code
            self._commands.wait()
        return self._after_command(step, code), code

    def _asked_to_stop(self) -> Verdict | None:
        if self._commands.stop_asked or self._spool.is_cancel_asked(self._meta.run):
            return CANCELLED
        gone = self._server.ended() if self._server is not None else None
        if gone is None:
            return None
        return Verdict("failed", "work:server_ended", gone, gone["exit_code"])

    def _out_of_time(self, step: Step, deadline: float | None) -> Verdict | None:
        if deadline is None or time.monotonic() < deadline:
            return None
        return Verdict("failed", "work:timeout", {"step": step.name, "timeout_s": step.timeout_s})

    def _exceeds_log_limit(self, step: Step) -> Verdict | None:
        excess = self._log_limit.exceeded()
        return excess and Verdict("failed", excess[0], {"step": step.name, **excess[1]})

    def _after_command(self, step: Step, code: int) -> Verdict | None:
        """Return the verdict for an exit code. A server that ends by itself has failed with any."""
        is_server = step.serves and step.name == self._server_step
        if self._spool.is_cancel_asked(self._meta.run) or self._commands.stop_asked:
            return CANCELLED if code != 0 or is_server else None
        if is_server:
            self._hide_secrets()
            args = {
                "step": step.name,
                "exit_code": code,
                "last_lines": self._spool.last_lines(),
            }
            return Verdict("failed", "work:server_ended", args, code)
        if code == -signal.SIGILL:
            return Verdict("failed", "work:no_instruction", {"step": step.name}, code)
        if code < 0:
            return Verdict("failed", "work:signal", {"step": step.name, "signal": -code}, code)
        if code > 0:
            return Verdict("failed", "work:exit", {"step": step.name, "exit_code": code}, code)
        return None

    def _clean_up(self) -> None:
        """Run the cleanup of each step that was begun, the last first, whatever it exits with."""
        for argv, env in environment.cleanups(self._begun, self._spool.path):
            try:
                pid = self._commands.start(argv, env, self._spool.work)
            except OSError as error:
                log.warning("%s could not be run: %s", argv[0], error)
                continue
            deadline = time.monotonic() + environment.CLEANUP_S
            while self._commands.exit_code(pid) is None and time.monotonic() < deadline:
                self._commands.wait()
        self._commands.kill_leftovers()

    def _conclude(self, verdict: Verdict) -> Verdict:
        """Look at what is there now, and write the last event."""
        secrets = self._hide_secrets()
        outputs, missing = _output_files(self._spool.work, self._outputs, secrets)
        if verdict.verdict == "succeeded":
            # The server may have gone while the last step was ending.
            gone = self._server.ended() if self._server is not None else None
            if gone is not None:
                verdict = Verdict("failed", "work:server_ended", gone, gone["exit_code"])
            elif missing is not None:
                what = {"output": missing.name, "pattern": missing.pattern}
                verdict = Verdict("failed", "work:output_missing", what, verdict.exit_code)
        args = dict(verdict.message_args)
        if verdict.verdict == "failed":
            args["host"] = self._host_state()
        os.fsync(self._log_fd)
        self._spool.append_ended(
            {
                "verdict": verdict.verdict,
                "message_id": verdict.message_id,
                "message_args": args,
                "exit_code": verdict.exit_code,
                "duration_s": time.monotonic() - self._started,
                **whole_log(self._spool),
                "points_bytes": spools.whole_lines_size(self._spool.points),
                "outputs": outputs,
                "run": self._meta.run,
            },
            wait_s=ROOM_S,
        )
        self._spool.forget_secrets()
        return verdict

    def _host_state(self) -> dict[str, Any]:
        """Return the host's condition at the failure of a plan, for diagnosis."""
        kills = process.oom_kills() - self._oom_kills
        return {**probe.load(self._spool.path), "oom_kills": max(0, kills)}

    def _hide_secrets(self) -> list[bytes]:
        """Redact the log; return what was searched for."""
        secrets = forms(self._secrets.values())
        redact(self._spool.log, secrets)
        return secrets

    def _event(self, type: str, index: int, step: Step, **fields: Any) -> None:
        offset = os.fstat(self._log_fd).st_size
        self._write_event(type, index=index, name=step.name, log_offset=offset, **fields)

    def _write_event(self, type: str, **fields: Any) -> None:
        spools.when_room(lambda: self._spool.append_event(type, **fields), ROOM_S)


def write_files(plan: Plan, folder: Path) -> None:
    """Write the plan's files. Not atomic: a run that is cut off here is never continued."""
    for item in plan.files:
        (folder / item.name).write_text(item.text, encoding="utf-8")
        if item.at:
            place = Path(item.at)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(item.text, encoding="utf-8")


def size_and_sha256(path: Path) -> tuple[int, str]:
    """Bytes and hex digest of a file; of nothing when there is none."""
    digest, size = hashlib.sha256(), 0
    if path.exists():
        with path.open("rb") as file:
            while block := file.read(1024 * 1024):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()


def whole_log(spool: Spool) -> dict[str, Any]:
    """Return the last event's facts of the log. A server's checksum is "": its log grows for
    months, and reading all of it would delay the next run."""
    if spool.meta().type == spools.DEPLOYMENT:
        size = spool.log.stat().st_size if spool.log.exists() else 0
        return {"log_bytes": size, "log_sha256": ""}
    size, digest = size_and_sha256(spool.log)
    return {"log_bytes": size, "log_sha256": digest}


def _output_files(
    work: Path, outputs: Sequence[Output], secrets: Sequence[bytes]
) -> tuple[list[dict[str, Any]], Output | None]:
    """The files of the outputs, each once, and the first required output that has none."""
    root, files, missing = work.resolve(), [], None
    known: set[Path] = set()
    for output in outputs:
        # A link may lead out of the work folder; what it leads to is not the job's own.
        paths = [p for p in sorted(work.glob(output.pattern)) if p.is_file()]
        paths = [p for p in paths if p.resolve().is_relative_to(root) and _has_utf8_name(p)]
        if not paths and output.required and missing is None:
            missing = output
        for path in paths:
            if path not in known:
                known.add(path)
                redact(path, secrets)
                size, digest = size_and_sha256(path)
                relative = path.relative_to(work).as_posix()
                files.append(
                    {"name": output.name, "path": relative, "bytes": size, "sha256": digest}
                )
    return files, missing


def _has_utf8_name(path: Path) -> bool:
    """False for a name that no JSON can hold; logged in launcher.log."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        log.warning("%r is left out: its name is not UTF-8", path)
        return False
    return True


def main(argv: Sequence[str] | None = None) -> int:
    """Take the lock, run, let go. Exit code 0 unless another launcher has the spool."""
    parser = argparse.ArgumentParser(prog="jobs.host.run.launcher", description=__doc__)
    parser.add_argument("spool", type=Path, nargs="?")
    parser.add_argument("--standby-fd", type=int, help="socket that names the spool")
    parser.add_argument("--lock-fd", type=int, help="descriptor that already holds the lock")
    parser.add_argument("--detach", action="store_true", help="continue in the background")
    parser.add_argument("--grace", type=float, default=GRACE_S, help="seconds before SIGKILL")
    options = parser.parse_args(argv)
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    if options.detach or options.standby_fd is not None:
        if os.fork() != 0:
            os._exit(0)
        os.setsid()
    if options.standby_fd is not None:
        received = spawn.await_spool(options.standby_fd)
        if received is None:
            return 0
        spool, lock = received
        return _run(spool, lock, grace_s=options.grace)
    if options.spool is None:
        parser.error("which spool?")
    spool = Spool(options.spool.resolve())
    return _run(spool, options.lock_fd or spool.lock(), grace_s=options.grace)


def _run(spool: Spool, lock: int | None, *, grace_s: float) -> int:
    if lock is None:
        print(f"another launcher runs {spool.path}", file=sys.stderr)  # noqa: T201
        return 1
    os.set_inheritable(lock, False)
    process.become_subreaper()
    pid = os.getpid()
    record = {"pid": pid, "start_ticks": process.start_ticks(pid), "boot_id": process.boot_id()}
    spools.when_room(lambda: spools.write_json(spool.path / "launcher.json", record), ROOM_S)
    if spool.exit() is None and not spool.was_started():
        Launcher(spool, grace_s=grace_s).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
