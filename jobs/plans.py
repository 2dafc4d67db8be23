"""Plan, Step and slots: the single description of a job's commands.

The same Plan is previewed in the form, run by the host's launcher, stored with the job and printed
as a shell script. Standard library only, Python 3.10 or newer: a host imports this module.

A *slot* is a name in braces inside an argument, e.g. ``{job_dir}``, filled later. A literal brace
is doubled, as in ``str.format``; use :func:`literal` for user input. ``run = fill(preview,
values)`` holds for every kind: only slots change between the two.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from jobs.base.errors import PlanError

# Query of a host's health requests to a ready server, to mark them in its log; ``/health`` itself
# is requested without.
HEALTH_MARK = "by=vacc-dashboard"
SCHEMA = 4  # plans that were stored before 0.1.0 have 1 to 4, and lack fields with a default

# Names of watches with special charts.
ACCURACY = "accuracy"  # counts of an evaluation, jobs.tools.lib.growing
CLIENT = "client"  # progress of a benchmark's client, jobs.tools.vllm.host_reader
DIES = "dies"  # temperature and power, jobs.host.run.scraper
LONGEST_PART = 48  # of a part's name; its points are called "accuracy/<part>"

# Slots filled by the host when it claims the job, or by the dashboard at dispatch.
HOST_SLOTS = frozenset({"job_dir", "serve_dir", "port"})
DASHBOARD_SLOTS = frozenset({"job", "dies"})
ENGINES = ("deployment", "reference")  # deployments or endpoints
ASSET_SLOTS = ("weights.", "artifact.", *(f"{name}." for name in ENGINES))
SECRET = "secret:"  # noqa: S105 -- begin of a slot
_TOKEN = re.compile(r"\{\{|\}\}|\{([a-z_]+(?:[.:][A-Za-z0-9_.-]+)?)\}|[{}]")
_PLAIN = re.compile(r"^[A-Za-z0-9_./:@%+,=-]+$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")


@dataclass(frozen=True, slots=True)
class PlanFile:
    """Text file of the plan, written to ``{job_dir}/files/NAME`` before step 1. Slots in ``text``
    are not filled. ``at``: absolute path (slots allowed) of a copy, for tools that need it
    there."""

    name: str
    text: str
    at: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One command. It runs without a shell, in ``cwd`` ("" for ``{job_dir}/work``).

    ``path``: folders first in PATH. ``cleanup``: command that always runs at the plan's end if the
    step was started, to remove its container.

    ``serves`` marks the command as the server of the job's Deployment: it is started under a
    launcher of its own in ``{serve_dir}`` and outlives the job; the step ends when it is started.
    Earlier serving steps are needed at each start of the server, such as its container.
    ``health``: path that returns 200 once ready.
    """

    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    timeout_s: float | None = None
    serves: bool = False
    cwd: str = ""
    path: tuple[str, ...] = ()
    cleanup: tuple[str, ...] = ()
    health: str = "/health"


@dataclass(frozen=True, slots=True)
class Output:
    """Files to keep: ``pattern`` is a glob below ``{job_dir}/work``, sorted by name. A required
    output without a file makes the job *failed*."""

    name: str
    pattern: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Watch:
    """Source of points, read every ``interval_s`` seconds during the steps.

    Without a ``reader``: an endpoint ``url`` in Prometheus text format; ``metrics`` names the
    samples to keep (exact names, labels summed). ``key``: its bearer token, as the slot of a
    secret. Watches of a serving plan belong to its server and are read while it runs.

    With a ``reader`` (named in ``jobs.host.run.scraper``): files that a tool writes in ``folder``,
    an absolute path; for the reader ``dies`` their numbers, between commas. ``expected`` lists
    (part, size): data sets and their questions, or runs of a benchmark and their requests; 0 where
    the size is not known before the tool starts.
    """

    name: str
    url: str = ""
    metrics: tuple[str, ...] = ()
    interval_s: float = 0.5
    reader: str = ""
    folder: str = ""
    expected: tuple[tuple[str, int], ...] = ()
    key: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Requirement on the host before the first step: ``name`` is one of ``jobs.host.checks``.
    ``args`` may have slots. ``asks``: a person may confirm a failure."""

    name: str
    args: tuple[tuple[str, str], ...] = ()
    asks: bool = False


_PARTS: dict[str, type] = {
    "steps": Step,
    "files": PlanFile,
    "outputs": Output,
    "watches": Watch,
    "checks": Check,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """Complete commands of a job. Immutable; :meth:`sha256` identifies it.

    ``port``: its server's port ({port}); 0: any free one. ``address``: the server's only listen
    address; "": 127.0.0.1 works too. ``writes``: absolute folders without slots that the job
    changes in addition to its product's place: two jobs never write one place at once.
    """

    kind: str
    steps: tuple[Step, ...]
    files: tuple[PlanFile, ...] = ()
    outputs: tuple[Output, ...] = ()
    watches: tuple[Watch, ...] = ()
    dies: int = 0
    filled: bool = False
    checks: tuple[Check, ...] = ()
    port: int = 0
    address: str = ""
    writes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [step.name for step in self.steps]
        if not names or len(set(names)) != len(names):
            raise PlanError("a plan needs steps with names of their own", names=names)
        serving = "".join("s" if step.serves else " " for step in self.steps).split()
        if len(serving) > 1:
            raise PlanError("a plan starts one server at most")
        for name in [*names, *(f.name for f in self.files), *(o.name for o in self.outputs)]:
            if not _NAME.match(name):
                raise PlanError(f"{name!r} is not a name for a step, file or output")
        if not self.filled:
            for text in _texts(self):
                pieces(text)
            # Secrets outside environments and keys of watches: all else is shown and stored.
            steps = tuple(replace(step, env=()) for step in self.steps)
            watches = tuple(replace(watch, key="") for watch in self.watches)
            for text in _texts(replace(self, steps=steps, watches=watches, filled=True)):
                if any(name.startswith(SECRET) for name in slots_in(text)):
                    raise PlanError(f"a secret in {text!r}: only an environment may hold one")

    def to_json(self) -> dict[str, Any]:
        """As plain data, with its schema version."""
        return {"schema": SCHEMA, **asdict(self)}

    def sha256(self) -> str:
        text = json.dumps(self.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def checks_from_json(items: Iterable[Mapping[str, Any]]) -> tuple[Check, ...]:
    return tuple(Check(**_frozen(item)) for item in items)


def from_json(data: Mapping[str, Any]) -> Plan:
    """Raises PlanError: written by a newer schema, or not a plan."""
    if data.get("schema") not in range(1, SCHEMA + 1):
        raise PlanError(f"plan schema {data.get('schema')!r} is not known here, only 1 to {SCHEMA}")
    if missing := {"kind", "steps", "files", "outputs", "watches", "dies", "filled"} - data.keys():
        raise PlanError(f"not a plan: {sorted(missing)} are missing")
    try:
        parts: dict[str, Any] = {
            name: tuple(part(**_frozen(item)) for item in data.get(name, ()))
            for name, part in _PARTS.items()
        }
        known = {name: value for name, value in data.items() if name not in (*_PARTS, "schema")}
        return Plan(**parts, **_frozen(known))
    except (AttributeError, TypeError, ValueError) as error:
        raise PlanError(f"not a plan: {error!r}") from error


def _frozen(value: Any) -> Any:
    """JSON with tuples in place of lists; the keys of objects stay."""
    if isinstance(value, Mapping):
        return {name: _frozen(item) for name, item in value.items()}
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else value


def literal(text: str) -> str:
    """Double the braces of ``text``, so that it has no slots."""
    return text.replace("{", "{{").replace("}", "}}")


def slots(plan: Plan) -> tuple[str, ...]:
    """Each name once, in the order in which they first appear."""
    found = (piece for text in _texts(plan) for is_slot, piece in pieces(text) if is_slot)
    return tuple(dict.fromkeys(found))


def slots_in(text: str) -> set[str]:
    return {piece for is_slot, piece in pieces(text) if is_slot}


def secrets(plan: Plan) -> tuple[str, ...]:
    return tuple(name.removeprefix(SECRET) for name in slots(plan) if name.startswith(SECRET))


def fill(plan: Plan, values: Mapping[str, str]) -> Plan:
    """Raises PlanError: a slot has no value, or the plan is already filled."""
    if plan.filled:
        raise PlanError("the plan is filled already")
    return replace(plan, filled=True, **_changed(plan, lambda text: fill_text(text, values)))


def _changed(plan: Plan, change: Callable[[str], str]) -> dict[str, Any]:
    """The parts of a plan with ``change`` applied to each text that may have slots."""

    def pairs(items: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple((name, change(value)) for name, value in items)

    return {
        "steps": tuple(
            replace(
                step,
                argv=tuple(map(change, step.argv)),
                env=pairs(step.env),
                cwd=change(step.cwd),
                path=tuple(map(change, step.path)),
                cleanup=tuple(map(change, step.cleanup)),
            )
            for step in plan.steps
        ),
        "files": tuple(replace(item, at=change(item.at)) for item in plan.files),
        "watches": tuple(
            replace(one, url=change(one.url), folder=change(one.folder), key=change(one.key))
            for one in plan.watches
        ),
        "checks": tuple(replace(check, args=pairs(check.args)) for check in plan.checks),
    }


def fill_text(text: str, values: Mapping[str, str]) -> str:
    """Raises PlanError for a slot without a value."""
    filled = []
    for is_slot, piece in pieces(text):
        if is_slot and piece not in values:
            raise PlanError(f"the slot {{{piece}}} has no value")
        filled.append(values[piece] if is_slot else piece)
    return "".join(filled)


def script(
    plan: Plan, values: Mapping[str, str] | None = None, *, longest_file: int | None = None
) -> str:
    """Return the plan as a bash script, to run by hand in an empty folder on the host. Slots become
    variables with ``values`` as defaults. Slots without a value must be set by hand. Files with
    more than ``longest_file`` characters are named with their SHA-256 only: such a script is for
    reading."""
    known = {"job_dir": "$PWD", "serve_dir": "$PWD", **(values or {})}
    lines = ["#!/usr/bin/env bash", f"# {plan.kind}: plan {plan.sha256()}", "set -euo pipefail"]
    at_end, names = list[str](), dict.fromkeys(("job_dir", *slots(replace(plan, watches=()))))
    for name in names:
        variable, value = _variable(name), known.get(name)
        if name in ("job_dir", "serve_dir"):
            lines.append(f'{variable}="${{{variable}:-$PWD}}"')
        elif value is None:
            lines.append(f': "${{{variable}:?set it first}}"')
        elif _PLAIN.match(value):
            lines.append(f'{variable}="${{{variable}:-{value}}}"')
        else:
            # Inside "${X:-…}" quotes and closing braces are not portable between bash versions.
            lines.append(f'[ -n "${{{variable}:-}}" ] || {variable}={shlex.quote(value)}')
    lines += ['mkdir -p "$JOB_DIR/files" "$JOB_DIR/work"', 'cd "$JOB_DIR/work"']
    for item in plan.files:
        if longest_file is None or len(item.text) <= longest_file:
            lines += ["", *_heredoc(item)]
            continue
        data = item.text.encode()
        digest = hashlib.sha256(data).hexdigest()
        lines += ["", f"# file: {item.name}, {len(data)} bytes, sha256 {digest}"]
    last_serving = next((step for step in reversed(plan.steps) if step.serves), None)
    for number, step in enumerate(plan.steps, start=1):
        lines += ["", f"# step: {step.name}"]
        if step.cleanup:
            command = " ".join(_shell(arg) for arg in step.cleanup)
            lines.append(f"clean_{number}() {{ {command}; }}")
            lines.append(_trap(at_end, f"clean_{number}"))
        lines.append(_command(step) + (" &" if step is last_serving else ""))
        if step is last_serving:
            # Background commands of a shell ignore Ctrl-C and survive it.
            lines.append("stop_server() { kill %1 2>/dev/null && wait %1; }")
            lines.append(_trap(at_end, "stop_server"))
    if last_serving is not None:
        lines += ["", "wait  # the server runs until it is stopped"]
    return "\n".join(lines) + "\n"


def step_script(step: Step, values: Mapping[str, str]) -> str:
    """One step as bash. Slots without a value stay variables, as in :func:`script`."""

    def known(text: str) -> str:
        found = ((values.get(piece) if slot else piece, piece) for slot, piece in pieces(text))
        return "".join(f"{{{name}}}" if got is None else literal(got) for got, name in found)

    argv, path = (tuple(map(known, texts)) for texts in (step.argv, step.path))
    env = tuple((key, known(value)) for key, value in step.env)
    return _command(replace(step, argv=argv, env=env, cwd=known(step.cwd), path=path))


def _trap(at_end: list[str], function: str) -> str:
    """Make the script call ``function`` at its end, before those of earlier steps."""
    at_end.insert(0, f"{function} || true")
    return f"trap '{'; '.join(at_end)}' EXIT"


def _command(step: Step) -> str:
    """A step as bash, in its folder and with its environment."""
    command = [f"{key}={_shell(value)}" for key, value in step.env]
    if step.path:
        command.append(f'PATH={":".join(_shell(folder) for folder in step.path)}:"$PATH"')
    command += [_shell(arg) for arg in step.argv]
    if not step.cwd:
        return _folded(command)
    # exec: the background process is the command itself, so signals reach it.
    command.insert(len(command) - len(step.argv), "exec")
    return f"(cd {_shell(step.cwd)} && {_folded(command)})"


def _texts(plan: Plan) -> list[str]:
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    _changed(plan, note)
    return texts


def pieces(text: str) -> list[tuple[bool, str]]:
    """Split ``text`` into (is a slot, slot name or literal text)."""
    found: list[tuple[bool, str]] = []
    plain, end = "", 0
    for match in _TOKEN.finditer(text):
        plain += text[end : match.start()]
        end = match.end()
        name = match.group(1)
        if name is None and len(match.group()) == 1:
            raise PlanError(f"a single brace in {text!r}: double it")
        if name is None:
            plain += match.group()[0]
            continue
        is_known = name in HOST_SLOTS | DASHBOARD_SLOTS
        if not (is_known or name.startswith((*ASSET_SLOTS, SECRET))):
            raise PlanError(f"no slot is called {{{name}}}")
        if plain:
            found.append((False, plain))
        found.append((True, name))
        plain = ""
    plain += text[end:]
    return [*found, (False, plain)] if plain else found


def _variable(slot: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", slot).upper()


def _shell(text: str) -> str:
    """One argument for bash: literal text quoted, slots as variables."""
    parts = (
        f'"${{{_variable(piece)}}}"' if is_slot else shlex.quote(piece)
        for is_slot, piece in pieces(text)
    )
    return "".join(parts) or "''"


def _heredoc(item: PlanFile) -> list[str]:
    mark = "END_OF_FILE"
    while mark in item.text:
        mark += "_"
    # A heredoc always ends with a newline; it is removed if the file has none.
    name = f'"$JOB_DIR/files/{item.name}"'
    lines = [f"cat > {name} <<'{mark}'", item.text.removesuffix("\n"), mark]
    if not item.text.endswith("\n"):
        lines.append(f"truncate -s -1 {name}")
    if item.at:
        place = _shell(item.at)
        lines.append(f'mkdir -p "$(dirname {place})" && cp {name} {place}')
    return lines


def _folded(arguments: list[str]) -> str:
    """A command over several lines: an option and its values share a line."""
    lines: list[list[str]] = []
    for word in arguments:
        if not lines or word.startswith("-"):
            lines.append([])
        lines[-1].append(word)
    return " \\\n  ".join(" ".join(line) for line in lines)
