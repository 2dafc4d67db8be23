"""View of a Plan: one option per line, marked slots and changes."""

from __future__ import annotations

import difflib
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dashboard.pages.shared.guide_diff import Against, Changes, Mark
from jobs.plans import Plan, PlanFile, Step, pieces, slots


@dataclass(frozen=True, slots=True)
class Piece:
    """Text of a command. ``slot`` is the slot's name, "" for plain text.

    ``later``: the text is a proposal; the value is set at launch.
    """

    text: str
    slot: str = ""
    later: bool = False
    ours: bool = False  # differs from the guide


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A flag (or nothing) and its values. ``was``: the previous text, if changed.

    ``mark``: reason of the difference from the guide; ``guide_text``: the guide's text.
    """

    flag: str
    pieces: tuple[Piece, ...]
    changed: bool = False
    was: str = ""
    last: bool = False
    mark: Mark | None = None
    guide_text: str = ""
    ours: bool = False  # the flag itself


@dataclass(frozen=True, slots=True)
class Gone:
    """Text of the guide that the command lacks."""

    text: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class StepView:
    """One command. ``gone``: lines of the compared plan that this one lacks."""

    name: str
    lines: tuple[CommandLine, ...]
    env: tuple[CommandLine, ...]
    gone: tuple[str, ...] = ()
    serves: bool = False
    timeout_s: float | None = None
    mark: Mark | None = None
    left_out: tuple[Gone, ...] = ()
    cwd: tuple[Piece, ...] = ()  # working folder; empty for the job's own

    @property
    def env_changed(self) -> bool:
        """True if a variable differs from the compared plan or the guide."""
        return any(line.changed or line.mark for line in self.env)


@dataclass(frozen=True, slots=True)
class FileView:
    """A file of the plan: lines of text, each with a flag for changes."""

    name: str
    lines: tuple[tuple[str, bool], ...]
    bytes: int
    changed: bool = False
    ours: bool = False  # the changes are relative to the guide


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot and its value; ``later``: proposed, set at launch."""

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
    notes: tuple[str, ...] = ()  # differences from the guide, by mark number
    steps_gone: tuple[str, ...] = ()  # guide steps that it lacks


def command_view(
    plan: Plan,
    values: Mapping[str, str],
    *,
    proposed: Mapping[str, str] | None = None,
    before: Plan | None = None,
    guide: Against | None = None,
) -> CommandView:
    """Build the view of a plan; changes are marked relative to ``before``.

    Differences from the guide are marked too, with their note's number.
    """
    differences = guide or Against()
    shown = _Shown(values, proposed or {}, differences, compare=before is not None)
    old_steps = {step.name: step for step in before.steps} if before else {}
    old_files = {item.name: item for item in before.files} if before else {}
    return CommandView(
        steps=tuple(_step(step, old_steps.get(step.name), shown) for step in plan.steps),
        files=tuple(_file(item, old_files.get(item.name), shown) for item in plan.files),
        slots=tuple(
            SlotView(name, values.get(name) or shown.later.get(name, ""), name not in values)
            for name in (() if plan.filled else slots(plan))
        ),
        sha256=plan.sha256(),
        notes=differences.notes,
        steps_gone=tuple(differences.steps_gone(plan)),
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """Context for the view of each part of a plan."""

    values: Mapping[str, str]
    later: Mapping[str, str]
    guide: Against
    compare: bool


def _step(step: Step, old: Step | None, shown: _Shown) -> StepView:
    new_groups = _groups(step.argv)
    new_env = _env_groups(step)
    old_groups = _groups(old.argv) if old else []
    old_env = _env_groups(old) if old else []
    changes, env_changes = shown.guide.step(step), shown.guide.environment(step)
    left_out = (*changes.gone, *env_changes.gone)
    return StepView(
        name=step.name,
        lines=_lines(step.name, new_groups, old_groups, changes, shown),
        env=_lines(step.name, new_env, old_env, env_changes, shown),
        gone=tuple(_gone(old_groups + old_env, new_groups + new_env)),
        serves=step.serves,
        timeout_s=step.timeout_s,
        mark=shown.guide.step_mark(step),
        left_out=tuple(
            Gone(_plain(text), shown.guide.mark(step.name, text.split()[0], text, changed=True))
            for text in left_out
        ),
        cwd=tuple(_pieces_of((step.cwd,), shown, Changes(), 0)) if step.cwd else (),
    )


def _groups(argv: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Group arguments by option: ``("--port", ("8000",))``; the program has no flag."""
    groups: list[tuple[str, list[str]]] = []
    for arg in argv:
        if _is_flag(arg):
            flag, equals, value = arg.partition("=")
            groups.append((flag + equals, [value] if equals else []))
        elif groups:
            groups[-1][1].append(arg)
        else:
            groups.append(("", [arg]))
    return [(flag, tuple(arguments)) for flag, arguments in groups]


def _env_groups(step: Step) -> list[tuple[str, tuple[str, ...]]]:
    return [(f"{key}=", (value,)) for key, value in step.env]


def _is_flag(arg: str) -> bool:
    return len(arg) > 1 and arg.startswith("-") and not arg[1].isdigit() and "\n" not in arg


def _numbered(
    groups: Iterable[tuple[str, tuple[str, ...]]],
) -> dict[tuple[str, int], tuple[str, ...]]:
    """Number each flag by occurrence, because an option may repeat."""
    count: Counter[str] = Counter()
    numbered = {}
    for flag, arguments in groups:
        numbered[(flag, count[flag])] = arguments
        count[flag] += 1
    return numbered


def _lines(
    step: str,
    groups: list[tuple[str, tuple[str, ...]]],
    old_groups: list[tuple[str, tuple[str, ...]]],
    changes: Changes,
    shown: _Shown,
) -> tuple[CommandLine, ...]:
    old = _numbered(old_groups)
    lines, at = [], 0
    for index, (key, arguments) in enumerate(_numbered(groups).items()):
        before = old.get(key)
        changed = shown.compare and before != arguments
        # "--flag=value" is one word of the command, "--flag value" are two.
        own = at if key[0] and not key[0].endswith("=") else None
        first = at if own is None else at + 1
        here, at = range(at, first + len(arguments)), first + len(arguments)
        text = " ".join([key[0], *arguments])
        differs = not changes.changed.isdisjoint(here)
        guide_text = " ".join(
            _plain(changes.guide_text[n]) for n in here if n in changes.guide_text
        )
        mark = shown.guide.mark(step, key[0], text, changed=differs)
        lines.append(
            CommandLine(
                flag=key[0],
                pieces=tuple(_pieces_of(arguments, shown, changes, first)),
                changed=changed,
                was=" ".join(_plain(word) for word in before) if changed and before else "",
                last=index == len(groups) - 1,
                mark=mark,
                guide_text=guide_text or (mark.guide_text if mark else ""),
                ours=(first if own is None else own) in changes.changed,
            )
        )
    return tuple(lines)


def _gone(
    old: list[tuple[str, tuple[str, ...]]], new: list[tuple[str, tuple[str, ...]]]
) -> list[str]:
    here = _numbered(new)
    return [
        " ".join([key[0], *(_plain(word) for word in arguments)]).replace("= ", "=")
        for key, arguments in _numbered(old).items()
        if key not in here
    ]


def _pieces_of(
    arguments: tuple[str, ...], shown: _Shown, changes: Changes, first: int
) -> Iterable[Piece]:
    for index, word in enumerate(arguments):
        ours = first + index in changes.changed
        if index:
            yield Piece(" ")
        parts = pieces(word)
        if not parts:
            yield Piece("''", ours=ours)
        for is_slot, text in parts:
            if not is_slot:
                yield Piece(shlex.quote(text), ours=ours)
            elif text in shown.values:
                yield Piece(shown.values[text], text, ours=ours)
            else:
                yield Piece(shown.later.get(text) or f"{{{text}}}", text, later=True, ours=ours)


def _plain(word: str) -> str:
    return "".join(f"{{{text}}}" if is_slot else text for is_slot, text in pieces(word)) or "''"


def _file(item: PlanFile, old: PlanFile | None, shown: _Shown) -> FileView:
    lines = item.text.splitlines()
    changed: set[int] = set()
    guide_text = shown.guide.guide_file(item.name)
    if shown.compare and (old is None or old.text != item.text):
        changed = _changed_lines(old.text.splitlines() if old else [], lines)
    elif guide_text is not None:
        changed = _changed_lines(guide_text.splitlines(), lines)
    return FileView(
        name=item.name,
        lines=tuple((line, index in changed) for index, line in enumerate(lines)),
        bytes=len(item.text.encode()),
        changed=bool(changed),
        ours=guide_text is not None
        and not (shown.compare and (old is None or old.text != item.text)),
    )


def _changed_lines(old: list[str], lines: list[str]) -> set[int]:
    matcher = difflib.SequenceMatcher(None, old, lines, autojunk=False)
    numbers: set[int] = set()
    for tag, _start, _end, first, last in matcher.get_opcodes():
        if tag in ("replace", "insert"):
            numbers.update(range(first, last))
    return numbers
