"""The server that a job starts: a spool and a launcher of its own. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jobs.base.errors import PlanError
from jobs.host.base import spool as spools
from jobs.host.base.spool import Meta, Spool
from jobs.host.run import spawn
from jobs.plans import Plan


class Server:
    """A job's view of the server that it starts in ``serve/<deployment>/``."""

    def __init__(self, job: Spool, meta: Meta, stored: Mapping[str, Any]) -> None:
        """``stored`` is the job's plan.json.

        Raises:
            PlanError: the dashboard named no deployment for a plan that serves.
        """
        about = stored.get("deployment")
        if not about or "serve_dir" not in stored["values"]:
            raise PlanError("the plan starts a server, but the job has no deployment")
        self.deployment: int = about["id"]
        self.run: int = about["run"]
        self._host_dir = job.host_dir
        self._values: Mapping[str, str] = stored["values"]
        self._secrets = job.secrets()
        self._meta = replace(
            meta, type=spools.DEPLOYMENT, id=self.deployment, token=about["token"], run=self.run
        )
        self._spool = Spool(Path(self._values["serve_dir"]))

    def start(self, template: Plan) -> int | None:
        """Start it. The launcher's process id; None when another server has the folder."""
        with spools.guard(self._host_dir, f"deployment-{self.deployment}"):
            lock = prepare_spool(
                self._spool, self._host_dir, self._meta, template, self._values, self._secrets
            )
            return None if lock is None else spawn.start_launcher(self._spool, lock, detach=False)

    def stop(self) -> None:
        """Ask it to stop; its own launcher ends it."""
        if self._is_ours():
            self._spool.ask_cancel()

    def ended(self) -> dict[str, Any] | None:
        """``{"step", "exit_code", "last_lines"}`` when the server has ended, None while it runs."""
        if not self._is_ours():
            return None
        ended = self._spool.exit()
        if ended is None:
            return None
        return {
            "step": ended["message_args"].get("step", ""),
            "exit_code": ended["exit_code"],
            "last_lines": self._spool.last_lines(),
        }

    def _is_ours(self) -> bool:
        try:
            return self._spool.meta() == self._meta
        except FileNotFoundError:  # set aside
            return False


def prepare_spool(
    spool: Spool,
    host_dir: Path,
    meta: Meta,
    template: Plan,
    values: Mapping[str, str],
    secrets: Mapping[str, str],
) -> int | None:
    """Make the spool of a server ready for run ``meta.run``: its lock, for the launcher.

    None when a server still runs there. The caller holds the guard of the deployment.
    """
    plan = serving_part(template).to_json()
    if (
        spool.path.exists()
        and _is_foreign(spool.meta(), meta)
        and spools.set_aside(spool, host_dir) is None
    ):
        return None
    if not spool.path.exists():
        spools.create(spool.path, meta, plan, values, None, secrets)
        return spool.lock()
    lock = spool.lock()
    if lock is not None:
        spools.begin_run(spool, meta, plan, values, secrets)
    return lock


def _is_foreign(there: Meta, wanted: Meta) -> bool:
    """True for the server of another dashboard; or of one that this dashboard has forgotten, for
    its database is an older one now, before it gave the number again."""
    return there.instance != wanted.instance or (
        there.token != wanted.token and there.run >= wanted.run
    )


def serving_part(template: Plan) -> Plan:
    """The plan of the server alone: its steps, the files that they may read, what is watched."""
    steps = tuple(step for step in template.steps if step.serves)
    if not steps:
        raise PlanError("the plan starts no server")
    return replace(template, steps=steps, outputs=())
