"""How a Plan is shown: an option and its value a line, slots marked, what changed said."""

from __future__ import annotations

import difflib
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jobs.plans import Plan, PlanFile, Step, pieces, slots


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of a command. ``slot`` names the slot that it stands for, "" for plain text.

    ``later``: the text is proposed only; the value is chosen when the job starts.
    """

    text: str
    slot: str = ""
    later: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A flag (or nothing) and what follows it. ``was`` is what stood there, if it changed."""

    flag: str
    pieces: tuple[Piece, ...]
    changed: bool = False
    was: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True)
class StepView:
    """One command. ``gone`` are the lines that the plan compared with had, and this one has not."""

    name: str
    lines: tuple[Line, ...]
    env: tuple[Line, ...]
    gone: tuple[str, ...] = ()
    serves: bool = False
    timeout_s: float | None = None

    @property
    def env_changed(self) -> bool:
        """True when a variable differs from the plan compared with."""
        return any(line.changed for line in self.env)


@dataclass(frozen=True, slots=True)
class FileView:
    """A file that the plan brings: lines of text, each with whether it changed."""

    name: str
    lines: tuple[tuple[str, bool], ...]
    bytes: int
    changed: bool = False


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot and its value; ``later``: proposed, chosen when the job starts."""

    name: str
    value: str
    later: bool


@dataclass(frozen=True, slots=True)
class CommandView:
    """A plan, ready for ``_command.html``."""

    steps: tuple[StepView, ...]
    files: tuple[FileView, ...]
    slots: tuple[SlotView, ...]
    sha256: str


def command_view(
    plan: Plan,
    values: Mapping[str, str],
    *,
    proposed: Mapping[str, str] | None = None,
    before: Plan | None = None,
) -> CommandView:
    """The plan as a page shows it; ``before`` is the plan that changes are marked against."""
    later = proposed or {}
    old_steps = {step.name: step for step in before.steps} if before else {}
    old_files = {item.name: item for item in before.files} if before else {}
    return CommandView(
        steps=tuple(
            _step(step, values, later, old_steps.get(step.name), compare=before is not None)
            for step in plan.steps
        ),
        files=tuple(
            _file(item, old_files.get(item.name), compare=before is not None) for item in plan.files
        ),
        slots=tuple(
            SlotView(name, values.get(name) or later.get(name, ""), name not in values)
            for name in (() if plan.filled else slots(plan))
        ),
        sha256=plan.sha256(),
    )


def _step(
    step: Step,
    values: Mapping[str, str],
    later: Mapping[str, str],
    old: Step | None,
    *,
    compare: bool,
) -> StepView:
    new_groups = _groups(step.argv)
    new_env = _env_groups(step)
    old_groups = _groups(old.argv) if old else []
    old_env = _env_groups(old) if old else []
    gone = _gone(old_groups + old_env, new_groups + new_env)
    return StepView(
        name=step.name,
        lines=_lines(new_groups, old_groups, values, later, compare=compare),
        env=_lines(new_env, old_env, values, later, compare=compare),
        gone=tuple(gone),
        serves=step.serves,
        timeout_s=step.timeout_s,
    )


def _groups(argv: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Arguments by option: ``("--port", ("8000",))``; the program has no flag."""
    groups: list[tuple[str, list[str]]] = []
    for arg in argv:
        if _is_flag(arg):
            flag, equals, value = arg.partition("=")
            groups.append((flag + equals, [value] if equals else []))
        elif groups:
            groups[-1][1].append(arg)
        else:
            groups.append(("", [arg]))
    return [(flag, tuple(words)) for flag, words in groups]


def _env_groups(step: Step) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"{key}=", (value,)) for key, value in step.env]


def _is_flag(arg: str) -> bool:
    return len(arg) > 1 and arg.startswith("-") and not arg[1].isdigit() and "\n" not in arg


def _numbered(
    groups: Iterable[tuple[str, tuple[str, ...]]],
) -> dict[tuple[str, int], tuple[str, ...]]:
    """Each flag with how often it stood there before: an option may be given twice."""
    count: Counter[str] = Counter()
    found = {}
    for flag, words in groups:
        found[(flag, count[flag])] = words
        count[flag] += 1
    return found


def _lines(
    groups: list[tuple[str, tuple[str, ...]]],
    old_groups: list[tuple[str, tuple[str, ...]]],
    values: Mapping[str, str],
    later: Mapping[str, str],
    *,
    compare: bool,
) -> tuple[Line, ...]:
    old = _numbered(old_groups)
    lines = []
    for index, (key, words) in enumerate(_numbered(groups).items()):
        before = old.get(key)
        changed = compare and before != words
        lines.append(
            Line(
                flag=key[0],
                pieces=tuple(_pieces_of(words, values, later)),
                changed=changed,
                was=" ".join(_plain(word) for word in before) if changed and before else "",
                last=index == len(groups) - 1,
            )
        )
    return tuple(lines)


def _gone(
    old: list[tuple[str, tuple[str, ...]]], new: list[tuple[str, tuple[str, ...]]]
) -> list[str]:
    here = _numbered(new)
    return [
        " ".join([key[0], *(_plain(word) for word in words)]).replace("= ", "=")
        for key, words in _numbered(old).items()
        if key not in here
    ]


def _pieces_of(
    words: tuple[str, ...], values: Mapping[str, str], later: Mapping[str, str]
) -> Iterable[Piece]:
    for index, word in enumerate(words):
        if index:
            yield Piece(" ")
        found = pieces(word)
        if not found:
            yield Piece("''")
        for is_slot, text in found:
            if not is_slot:
                yield Piece(shlex.quote(text))
            elif text in values:
                yield Piece(values[text], text)
            else:
                yield Piece(later.get(text) or f"{{{text}}}", text, later=True)


def _plain(word: str) -> str:
    return "".join(f"{{{text}}}" if is_slot else text for is_slot, text in pieces(word)) or "''"


def _file(item: PlanFile, old: PlanFile | None, *, compare: bool) -> FileView:
    lines = item.text.splitlines()
    changed: set[int] = set()
    if compare and (old is None or old.text != item.text):
        matcher = difflib.SequenceMatcher(
            None, old.text.splitlines() if old else [], lines, autojunk=False
        )
        for tag, _, _, start, end in matcher.get_opcodes():
            if tag in ("replace", "insert"):
                changed.update(range(start, end))
    return FileView(
        name=item.name,
        lines=tuple((line, index in changed) for index, line in enumerate(lines)),
        bytes=len(item.text.encode()),
        changed=bool(changed),
    )
