"""Shared parts of the commands of ``manage.py``: their account, and following a job."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn, TextIO

from django.conf import settings
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, close_old_connections, connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.pages.launch.launch_form import offers
from dashboard.server.running import Watch
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.launch.launch import InvalidParams
from jobs.logstore import store
from jobs.models import Account, Host, Job
from jobs.schedule import dispatch
from jobs.schedule.targets import target_of

POLL_S = 0.2
CHUNK_BYTES = 1024 * 1024
MOST_CHOICES = 20


class DashboardParser(CommandParser):
    """Parser whose errors end with exit code 1, that of each error: 2 is a verdict of a gate."""

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the command."""
        super().exit(min(status, 1), message)


class PlainCommand(BaseCommand):
    """A command that needs no records of a dashboard."""

    requires_system_checks = ()  # they load every page, which takes longer than the command

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Return the parser of the command line."""
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = DashboardParser
        return parser


class DashboardCommand(PlainCommand):
    """A command on the records of a dashboard, which must have been started at least once."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Look first; then as any command."""
        require_dashboard()
        try:
            return super().execute(*args, **options)
        except PermissionDenied as denied:
            raise CommandError(f"The role of this account does not allow this: {denied}") from None


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
    """Return the host of this name."""
    host = Host.objects.filter(name=name).first()
    if host is None:
        names = ", ".join(Host.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"No host is named {name!r}. Hosts: {names}")
    return host


def host_that_reported(name: str, *, wait_s: float) -> Host:
    """Return the host, after waiting for its first report: the dashboard may be starting."""
    deadline = time.monotonic() + wait_s
    while True:
        host = host_named(name)
        if host.facts:
            return host
        if time.monotonic() >= deadline:
            raise CommandError(f"{name} has not reported yet. Start the dashboard with make run.")
        time.sleep(POLL_S)


def raw_params(kind: str, settings: Iterable[str]) -> dict[str, Any]:
    """Return the parameters of ``--set key=value``; lists are separated by commas."""
    if kind not in KINDS:
        raise CommandError(f"Unknown job type {kind!r}. Job types: {', '.join(KINDS)}")
    fields = KINDS[kind].Params.model_json_schema()["properties"]
    raw: dict[str, Any] = {}
    for item in settings:
        name, equals, value = item.partition("=")
        if not equals:
            raise CommandError(f"--set {item}: write it as key=value")
        if name not in fields:
            raise CommandError(f"{kind} has no field {name!r}. Fields: {', '.join(fields)}")
        several = fields[name].get("type") == "array"
        raw[name] = value.split(",") if several else value
    return raw


def refused(error: LaunchError, what: str = "Not launched.") -> CommandError:
    """Return an error with a line per field."""
    fields = error.fields if isinstance(error, InvalidParams) else {error.field: str(error)}
    return refusal(fields, what)


def refused_launch(error: LaunchError, kind: str, host: Host) -> CommandError:
    """Return the error of a launch; fields with choices on ``host`` list them."""
    fields = error.fields if isinstance(error, InvalidParams) else {error.field: str(error)}
    return refusal({name: _with_choices(kind, name, text, host) for name, text in fields.items()})


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


def refusal(fields: dict[str, str], what: str = "Not launched.") -> CommandError:
    """Return an error from field → message; "" is the whole form."""
    lines = [f"{name}: {text}" if name else text for name, text in fields.items()]
    return CommandError("\n".join([what, *lines]))


def follow(job_id: int, say: TextIO | None, watch: Watch | None = None) -> Iterator[bytes]:
    """The job's log as it grows, until the job has ended and all of it is here.

    Each new sentence about the job goes to ``say``. Reads only: stopping it changes nothing.

    Raises:
        CommandError: the log was removed, or ``watch`` does not wait for a dashboard that is down.
    """
    key, offset, last_line, data = f"job/{job_id}", 0, "", b"\n"
    while True:
        # Asked before the log is read: what had ended by then is read to its end.
        job = Job.objects.get(pk=job_id)
        if say is not None and (line := state_line(job)) != last_line:
            last_line = line
            say.write(line + "\n" if data.endswith(b"\n") else f"\n{line}\n")
            say.flush()
        size = store().size(key)
        while offset < size:
            data = store().read(key, offset, min(size, offset + CHUNK_BYTES))
            if not data:
                raise CommandError(f"The log of job {job_id} was removed during reading.")
            offset += len(data)
            yield data
        if not job.is_open:
            return
        if watch is not None:
            watch.update()
        time.sleep(POLL_S)
        close_old_connections()


def state_line(job: Job) -> str:
    """Return the state of a job in one line."""
    return f"── {job.kind} #{job.pk} {job.title}: {job.state}. {about(job)}".rstrip()


def about(job: Job) -> str:
    """Return the message of a job's state; for a queued job its queue reason."""
    if job.state == Job.State.QUEUED:
        waits = dispatch.why_waiting(job)
        return message(waits.id, waits.args)
    return message(job.message_id, job.message_args)
