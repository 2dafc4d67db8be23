"""Shared parts of the commands of ``manage.py``: accounts, tables, following a job."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import cleandoc
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.config.env import run_facts
from dashboard.pages.launch.launch_form import offers, specs
from dashboard.text.messages import message
from jobs.base.errors import JobsError, LaunchError, PlanError
from jobs.kinds import KINDS
from jobs.logstore import store
from jobs.models import Account, Host, Job
from jobs.schedule import dispatch
from jobs.schedule.targets import target_of

POLL_S = 0.2
MOST_CHOICES = 20
WAIT, END = "wait", "end"


Find = Callable[[Any], object]


class Arg:
    """An argument of a command; options are texts, "" by default, unless ``more`` says otherwise.
    ``find`` replaces its text by the record that it names."""

    def __init__(
        self, name: str, about: str | None = None, *, find: Find | None = None, **more: Any
    ) -> None:
        if name.startswith("-") and not more.keys() & {"action", "type", "required"}:
            more = {"default": "", **more}
        self.name, self.find, self.options = name, find, {"help": about, **more}
        self.key = name.lstrip("-").replace("-", "_")


def flag(name: str, about: str) -> Arg:
    return Arg(name, about, action="store_true")


class PlainCommand(BaseCommand):
    """A command that needs no records of a dashboard. ``undone``: what a refusal begins with."""

    requires_system_checks = ()  # they load every page, which takes longer than the command
    arguments: Sequence[Arg] = ()
    undone = "Not launched."

    def __init_subclass__(cls) -> None:
        """Describe each command by the docstring of its module."""
        cls.help = cleandoc(sys.modules[cls.__module__].__doc__ or "")

    def add_arguments(self, parser: CommandParser) -> None:
        for one in self.arguments:
            parser.add_argument(one.name, **one.options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except LaunchError as error:
            raise refusal(error.fields, self.undone) from error
        except PlanError:  # a bug, with its traceback
            raise
        except JobsError as error:
            raise CommandError(str(error)) from error


class DashboardCommand(PlainCommand):
    """A command on the records of a dashboard, which must have been started at least once."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        require_dashboard()
        found = {one.key: one.find(options[one.key]) for one in self.arguments if one.find}
        try:
            return super().execute(*args, **options | found)
        except PermissionDenied as denied:
            raise CommandError(f"The role of this account does not allow this: {denied}") from None

    def write_table(self, *rows: Sequence[str]) -> None:
        """Write rows with aligned columns; the first is the head."""
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.stdout.write("  ".join(cells).rstrip())


def require_dashboard() -> None:
    """Fail with one line if no dashboard's records exist here; create nothing."""
    fix = "Set its folder (DATA_DIR=/the/folder) or start one: make run"
    folder = f"DATA_DIR={settings.DATA_DIR}"
    # SQLite would make the file.
    if connection.vendor == "sqlite" and not Path(connection.settings_dict["NAME"]).is_file():
        raise CommandError(f"No dashboard has been started on {folder}. {fix}")
    try:
        tables = connection.introspection.table_names()
    except DatabaseError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CommandError(f"Cannot reach the database ({folder}): {reason}") from error
    if Job._meta.db_table not in tables:
        raise CommandError(f"The database of {folder} has no tables yet. {fix}")


def require_migrated() -> None:
    """Fail with one line if the database is of an earlier version."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        raise CommandError(
            f"The database of DATA_DIR={settings.DATA_DIR} is of an earlier version: it lacks "
            f"{missing[0][0]}. Run the command with the files of that version, or start this "
            "version once, which migrates the tables: make run"
        )


def user_named(name: str) -> User:
    """Return the account that a command acts for; without a name, the first administrator."""
    wanted = {"username": name} if name else {"account__role": Account.Role.ADMIN}
    user = User.objects.select_related("account").filter(**wanted).order_by("pk").first()
    if user is None:
        raise CommandError(f"No user is named {name!r}." if name else "No admin exists.")
    return user


def host_named(name: str) -> Host:
    host = Host.objects.filter(name=name).first()
    if host is None:
        names = ", ".join(Host.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"No host is named {name!r}. Hosts: {names}")
    return host


def job_numbered(number: int) -> Job:
    job = Job.objects.filter(pk=number).first()
    if job is None:
        raise CommandError(f"No job has the number {number}.")
    return job


def of_user(does: str) -> Arg:
    return Arg("--user", f"account that {does} (default: first admin)", find=user_named)


def raw_params(kind: str, given: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of ``--set key=value``; lists are separated by commas."""
    if kind not in KINDS:
        raise CommandError(f"Unknown job type {kind!r}. Job types: {', '.join(KINDS)}")
    fields = specs(KINDS[kind].Params)
    raw: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise CommandError(f"--set {item}: write it as key=value")
        if name not in fields:
            raise CommandError(f"{kind} has no field {name!r}. Fields: {', '.join(fields)}")
        several = fields[name].get("type") == "array"
        raw[name] = value.split(",") if several else value
    return raw


def refusal(fields: Mapping[str, str], what: str = "Not launched.") -> CommandError:
    """Return an error from field → message; "" is the whole form."""
    lines = [f"{name}: {text}" if name else text for name, text in fields.items()]
    return CommandError("\n".join([what, *lines]))


def refused_launch(error: LaunchError, kind: str, host: Host) -> CommandError:
    """Return the error of a launch; fields with choices on ``host`` list them."""
    return refusal(
        {name: _with_choices(kind, name, text, host) for name, text in error.fields.items()}
    )


def _with_choices(kind: str, name: str, text: str, host: Host) -> str:
    choices = offers(KINDS[kind], target_of(host), name) if kind in KINDS else None
    if choices is None:
        return text
    listed = "".join(
        f"\n    {one.value or '(empty)'}  {one.label}" for one in choices[:MOST_CHOICES]
    )
    if not listed:
        return f"{text} No choice on {host.name} yet."
    more = len(choices) - MOST_CHOICES
    rest = f"\n    and {more} more: see the form" if more > 0 else ""
    return f"{text} Choose one of:{listed}{rest}"


# A job as it runs


def follow(job_id: int, say: TextIO | None, watch: DashboardWatch | None = None) -> Iterator[bytes]:
    """Yield the job's log until the job has ended; each new sentence about it goes to ``say``.
    Raises ``LogRemoved``; ``CommandError``: ``watch`` gives up."""
    key, offset, last_line, data = f"job/{job_id}", 0, "", b"\n"
    while True:
        # Asked before the log is read: what had ended by then is read to its end.
        job = Job.objects.get(pk=job_id)
        line = f"── {job.kind} #{job.pk} {job.title}: {job.state}. {about(job)}".rstrip()
        if say is not None and line != last_line:
            last_line = line
            say.write(line + "\n" if data.endswith(b"\n") else f"\n{line}\n")
            say.flush()
        for data in store().chunks(key, offset, store().size(key)):
            offset += len(data)
            yield data
        if not job.is_open:
            return
        if watch is not None:
            watch.update()
        time.sleep(POLL_S)
        close_old_connections()


def write(pieces: Iterable[bytes], out: TextIO) -> None:
    """Write each piece of a log as it comes."""
    for piece in pieces:
        out.buffer.write(piece)
        out.buffer.flush()


def about(job: Job) -> str:
    """Return the message of a job's state; for a queued job its queue reason."""
    if job.state == Job.State.QUEUED:
        waits = dispatch.why_waiting(job)
        return message(waits.id, waits.args)
    return message(job.message_id, job.message_args)


def is_down() -> bool:
    """True when the supervisor that wrote ``run.json`` is gone. False where nothing tells: the
    dashboard was never started here, or runs elsewhere on the same database."""
    pid = run_facts(settings.DATA_DIR).get("pid")
    if not isinstance(pid, int):
        return False
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return b"dashboard.server.supervisor" not in command.split(b"\0")  # another has its number


IF_DOWN = Arg(
    "--if-down",
    "while no dashboard runs: wait for it, or exit with an error",
    choices=(WAIT, END),
    default=WAIT,
)


@dataclass
class DashboardWatch:
    """Watch for a running dashboard while a command waits ("wait") or ends ("end") without one."""

    say: TextIO
    if_down: str = WAIT
    grace_s: float = 3.0  # a restart takes seconds
    every_s: float = 1.0
    _looked: float = field(default_factory=time.monotonic)
    _down_since: float | None = None
    _has_warned: bool = False

    def update(self) -> None:
        """Look, at most every ``every_s``. Raises ``CommandError``: the dashboard is down."""
        now = time.monotonic()
        if now - self._looked < self.every_s:
            return
        self._looked = now
        if not is_down():
            if self._has_warned:
                self._tell("The dashboard is running again.")
            self._down_since, self._has_warned = None, False
            return
        if self._down_since is None:
            self._down_since = now
        if self._has_warned or now - self._down_since < self.grace_s:
            return
        down = f"The dashboard is not running (DATA_DIR={settings.DATA_DIR})."
        if self.if_down == END:
            raise CommandError(f"{down} The job stays queued: start the dashboard with make run.")
        self._has_warned = True
        self._tell(
            f"{down} Waiting: start it with make run, or stop waiting with Ctrl-C; "
            "the job stays queued."
        )

    def _tell(self, text: str) -> None:
        self.say.write(f"{text}\n")
        self.say.flush()
