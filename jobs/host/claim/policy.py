"""Permitted programs and paths of plans: this host's settings decide, whatever the dashboard sends.

It looks at what a plan names: programs, working folders, files, and paths among arguments and in
environments. What a permitted program does with its arguments, such as a script or a command in a
container, is that program's affair. Standard library only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobs.host.base.config import Config
from jobs.host.claim import named_paths
from jobs.host.claim.programs import PROGRAMS
from jobs.host.probe import vacc
from jobs.plans import SECRET, Plan, Step, fill, slots

# Setting: this word stands for what is permitted unless set.
DEFAULT = "default"
_FORBIDDEN_ENV = ("LD_", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Reason to refuse a plan: message id of the dashboard and arguments."""

    message_id: str
    args: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Policy:
    """Names of programs, and folders; each path is looked at where it leads to, links followed."""

    allowed_programs: frozenset[str]
    allowed_paths: tuple[Path, ...]

    def refusal(self, plan: Plan, values: Mapping[str, str], work: Path) -> Refusal | None:
        """Return the first part of ``plan`` that this host does not permit; None: permitted.

        ``work`` is the folder of steps that name none.
        """
        # A secret stands in environments alone, and is no path.
        known = {name: "-" for name in slots(plan) if name.startswith(SECRET)}
        whole = plan if plan.filled else fill(plan, {**values, **known})
        for step in whole.steps:
            problem = self._step(step, Path(step.cwd) if step.cwd else work)
            if problem is not None:
                return problem
        for item in whole.files:
            if item.at and not self._permits(Path(item.at)):
                return self._outside(item.name, item.at, work)
        for watch in whole.watches:
            if watch.folder and not self._permits(work / watch.folder):
                return self._outside(watch.name, watch.folder, work)
        return None

    def _step(self, step: Step, cwd: Path) -> Refusal | None:
        for argv in filter(None, (step.argv, step.cleanup)):
            if not self._may_run(argv[0], cwd):
                args = {"program": argv[0], "step": step.name}
                return Refusal("policy:program", args)
        for name, value in step.env:
            if name.startswith(_FORBIDDEN_ENV):
                return Refusal("policy:variable", {"variable": name, "step": step.name})
            for text in named_paths.of_variable(value):
                if not self._permits(cwd / text):
                    return self._outside(step.name, text, cwd)
        named = (*named_paths.of_command(step.argv), *named_paths.of_command(step.cleanup))
        for text in (str(cwd), *step.path, *named):
            if not self._permits(cwd / text):
                return self._outside(step.name, text, cwd)
        return None

    def _may_run(self, program: str, cwd: Path) -> bool:
        """By its name, or by a path to one of that name in a folder of the host's own."""
        if "/" not in program:
            return program in self.allowed_programs
        path = cwd / program
        own = Path(sys.executable)
        if path.parent == own.parent and path.name in self.allowed_programs | {own.name}:
            return True
        # Its last part is followed no further: a virtual environment's python leads out of it.
        return path.name in self.allowed_programs and self._permits(path.parent)

    def _permits(self, path: Path) -> bool:
        real = Path(os.path.realpath(path))
        return any(real.is_relative_to(root) for root in self.allowed_paths)

    def _outside(self, step: str, text: str, cwd: Path) -> Refusal:
        leads_to = os.path.realpath(cwd / text)
        return Refusal("policy:root", {"path": text, "leads_to": leads_to, "step": step})


def policy_of(config: Config) -> Policy:
    """Return what ``config`` permits; unset, what the kinds of job need in this host's folders."""
    own = [config.dir, config.workspace, config.modification_dir, config.wheels_dir]
    conda = vacc.conda_prefix()
    default = [str(path) for path in own if path] + ([conda] if conda else [])
    return Policy(
        allowed_programs=frozenset(_expanded(config.allowed_programs, sorted(PROGRAMS))),
        allowed_paths=tuple(
            Path(os.path.realpath(path)) for path in _expanded(config.allowed_paths, default)
        ),
    )


def _expanded(given: Sequence[str], default: Iterable[str]) -> Iterator[str]:
    for word in given or (DEFAULT,):
        yield from default if word == DEFAULT else (word,)
