"""Runs the steps of a plan as processes in a folder of a test, as the launcher does on a host."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.kinds import KINDS
from jobs.kinds.lib.base import Target
from jobs.plans import Plan, Step, fill
from tests.jobs.lib.vacc_target import vacc_host, vacc_values


@dataclass
class Runner:
    """A VACC host in ``root``, whose programs are those of ``root/bin`` and this computer's."""

    root: Path

    @property
    def target(self) -> Target:
        """The host as kinds see it."""
        facts = {"python": {"path": sys.executable, "version": "3.12"}}
        return vacc_host(facts, root=str(self.root))

    @property
    def work(self) -> Path:
        """Working folder of steps."""
        return self.root / "spool" / "work"

    def plan(self, kind: str, raw: Mapping[str, Any]) -> Plan:
        """The filled plan, its files written."""
        target = self.target
        plan = KINDS[kind].plan(KINDS[kind].Params(**raw), target)
        values = {
            **vacc_values(target),
            "job_dir": str(self.root / "spool"),
            "serve_dir": str(self.root / "serve"),
        }
        filled = fill(plan, values)
        self.work.mkdir(parents=True, exist_ok=True)
        (self.root / "serve").mkdir(exist_ok=True)
        for item in filled.files:
            for place in (self.root / "spool/files" / item.name, item.at and Path(item.at)):
                if place:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_text(item.text, encoding="utf-8")
        return filled

    def run(self, step: Step) -> subprocess.CompletedProcess[str]:
        """Run one step."""
        path = os.pathsep.join([*step.path, str(self.root / "bin"), os.environ["PATH"]])
        return subprocess.run(
            step.argv,
            cwd=step.cwd or self.work,
            env={**os.environ, **dict(step.env), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def step(
        self, kind: str, raw: Mapping[str, Any], name: str
    ) -> subprocess.CompletedProcess[str]:
        """Plan, and run the step of that name."""
        plan = self.plan(kind, raw)
        return self.run(next(step for step in plan.steps if step.name == name))

    def left(self, name: str) -> Any:
        """The JSON that a step has left."""
        return json.loads((self.work / name).read_text(encoding="utf-8"))

    def outputs(self) -> dict[str, bytes]:
        """Contents of all files in the working folder."""
        return {
            str(path.relative_to(self.work)): path.read_bytes()
            for path in self.work.rglob("*")
            if path.is_file()
        }

    def put(self, name: str, script: str) -> None:
        """A program of this host."""
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)
