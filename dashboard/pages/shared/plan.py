"""View of a plan: one option per line, marked slots, changes, and differences from the guide."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from dashboard.text.messages import message
from jobs.kinds.deploy import PRINTED_PORT
from jobs.plans import Plan, PlanFile, Step, from_json, pieces, slots
from jobs.tools.vacc.site import GUIDE_FACTS

# Note -> its subject: an option, a text in the command, or "step:NAME" for a whole step. Other
# notes appear only in the list.
ABOUT: Mapping[str, tuple[str, ...]] = {
    "guide:detached": ("-dit",),
    "guide:workspace_here": ("-v",),
    "guide:port_free": ("--port", "-p"),
    "guide:port_other": ("--port", "-p"),
    "guide:docker_exec": ("docker exec",),
    "guide:own_name": ("--name", "vllm-{deployment.id}", "vllm-bench-{job}"),
    "guide:label": ("--label",),
    "guide:removed_at_end": ("--rm",),
    "guide:results_mounted": ("{job_dir}/work:/results",),
    "guide:dies_named": ("VACC_VISIBLE_DEVICES",),
    "guide:listens_everywhere": ("--host",),
    "guide:waits_ready": ("step:wait",),
    "guide:served_name": ("--served-model-name",),
    "guide:key_in_environment": ("VLLM_API_KEY",),
    "guide:async_off": ("--no-async-scheduling",),
    "guide:backend_added": ("--backend", "--endpoint"),
    "guide:folder_made": ("step:folder", "--result-dir"),
    "guide:result_dir_named": ("--result-dir", "-w"),
    "guide:result_fetched": ("step:fetch",),
    "guide:prefix_shared": ("--random-prefix-len", "--random-input-len"),
    "guide:address_named": ("--host", "--port", "--served-model-name"),
    "guide:comparable": ("--percentile-metrics", "--metric-percentiles"),
    "guide:seed": ("--seed",),
    "guide:tokenizer_code": ("--trust-remote-code",),
    "guide:details_saved": ("--save-detailed",),
    "guide:connection_close": ("--header",),
    "guide:greedy": ("--temperature",),
    "guide:plugin_imported": ("step:plug-in",),
    "guide:json_kept": ("--output-json",),
    "guide:dataset_name_dropped": ("--dataset-name",),
    "guide:config_made": ("eval_ds.py",),
    "guide:run_collected": ("step:collect",),
    "guide:own_folder": ("-w", "COMPASS_DATA_CACHE", "follow_run.py"),
    "guide:details_kept": ("--dump-eval-details",),
    "guide:scored_meanwhile": ("step:score", "-m"),
    "guide:dataset_source": ("DATASET_SOURCE",),
    "guide:evalscope_key": ("EVALSCOPE_API_KEY", "--api-key"),
    "guide:verify_added": ("step:verify",),
    "guide:folder_looked_at": ("step:note", "step:verify"),
    "guide:inspect_added": ("step:inspect",),
    "guide:registry_login": ("pull_image.py", "REGISTRY_"),
    "guide:clone_there": ("clone_or_fetch.py", "--ref"),
    "guide:image_noavx": ("VLLM_CPU_DISABLE_AVX512",),
    "guide:wget_resumes": ("-c",),
    "guide:unzip_overwrites": ("-o",),
    "guide:conda_yes": ("-y",),
    "guide:conda_there": ("unless_there.py",),
    "guide:opencompass_held": ("constraints.txt",),
    "guide:yaml_made": (".yaml",),
    "guide:yaml_filled": (".yaml",),
}

Group = tuple[str, tuple[str, ...]]  # an option with its values

# Notes that also apply to the guide's own plan, because it cannot run as printed.
_ALWAYS = frozenset(
    {
        *("guide:detached", "guide:docker_exec", "guide:key_in_environment", "guide:conda_yes"),
        *("guide:dataset_source", "guide:evalscope_key", "guide:image_noavx", "guide:yaml_filled"),
        *("guide:workspace_here", "guide:port_free", "guide:port_other"),
        *("guide:waits_ready", "guide:result_fetched"),
    }
)
# The guide's text at these places.
_PRINTED = {
    "guide:detached": "-it",
    "guide:workspace_here": f"{GUIDE_FACTS['workspace']}:{GUIDE_FACTS['mount']}",
    "guide:port_free": str(PRINTED_PORT),
    "guide:port_other": str(PRINTED_PORT),
}
# Steps of ours that the guide's plan has too, or in place of another.
_OWN_STEPS = {
    about.removeprefix("step:")
    for abouts in ABOUT.values()
    for about in abouts
    if about.startswith("step:")
}


class Mark(NamedTuple):
    """Reason of a difference. ``number``: the note's number in the list, 0: none. ``guide_text``:
    the guide's text, if its plan for this host does not have it."""

    number: int
    reason: str
    guide_text: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences from the guide: indexes of words, the guide's text there, words only there."""

    changed: frozenset[int] = frozenset()
    guide_text: Mapping[int, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()


class AgainstGuide(NamedTuple):
    """Differences of a plan from the guide's. ``notes`` are in order, in the viewer's language."""

    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plan: Plan | None = None

    def step(self, step: Step) -> Step | None:
        """Return the guide's step of the same name."""
        steps = self.plan.steps if self.plan else ()
        return next((one for one in steps if one.name == step.name), None)

    def steps_gone(self, plan: Plan) -> list[str]:
        here = {step.name for step in plan.steps} | _OWN_STEPS
        return [step.name for step in self.plan.steps if step.name not in here] if self.plan else []

    def guide_file(self, name: str) -> str | None:
        files = self.plan.files if self.plan else ()
        return next((item.text for item in files if item.name == name), None)

    def mark(self, step: str, flag: str, text: str, *, changed: bool) -> Mark | None:
        """Return the note on a line; None: equal to the guide. A note on its step comes first, then
        one on its text, then one on its option."""
        if changed and (own := self._note_on(step)):
            return own
        counts = [
            (number, name) for number, name in enumerate(self.ids, 1) if changed or name in _ALWAYS
        ]
        for is_option in (False, True):
            for number, name in counts:
                abouts = [one for one in ABOUT.get(name, ()) if one.startswith("-") == is_option]
                if any(one == flag.rstrip("=") if is_option else one in text for one in abouts):
                    return Mark(number, self.notes[number - 1], _PRINTED.get(name, ""))
        return Mark(0, _("The guide has another command here, or none.")) if changed else None

    def step_mark(self, step: Step) -> Mark | None:
        """Return the note on an added step; None for a step of the guide."""
        if own := self._note_on(step.name):
            return own
        is_new = self.plan is not None and self.step(step) is None
        return Mark(0, _("Not a step of the guide.")) if is_new else None

    def _note_on(self, step: str) -> Mark | None:
        """Return the note on a whole step; those of several loads share it."""
        without_load = re.sub(r"-[0-9]+$", "", step)  # the concurrency in the name of a step
        wanted = {f"step:{step}", f"step:{without_load}"}
        for number, name in enumerate(self.ids, 1):
            if not wanted.isdisjoint(ABOUT.get(name, ())):
                return Mark(number, self.notes[number - 1])
        return None


def against(data: Mapping[str, Any]) -> AgainstGuide:
    """Return a job's stored differences (``jobs.kinds.lib.guide``)."""
    notes: Sequence[Mapping[str, Any]] = data.get("notes", [])
    return AgainstGuide(
        ids=tuple(str(note["id"]) for note in notes),
        notes=tuple(message(str(note["id"]), note["args"]) for note in notes),
        plan=from_json(data["plan"]) if data.get("plan") else None,
    )


def _compare(guide_text: list[str], ours: list[str]) -> Changes:
    """Return the differences; options with the same values in another place are equal."""
    guide_text = _in_our_order(guide_text, ours)
    there: dict[int, str] = {}
    gone = []
    for tag, start, end, first, last in _opcodes(guide_text, ours):
        if tag == "replace":
            there |= _places(guide_text[start:end], ours[first:last], first)
        if tag == "delete":
            gone.append(" ".join(guide_text[start:end]))
    return Changes(_changed(guide_text, ours), there, tuple(gone))


def _opcodes(old: list[str], new: list[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _changed(old: list[str], new: list[str]) -> frozenset[int]:
    """Return the indexes of ``new`` that are not in ``old``."""
    parts = [range(*code[3:]) for code in _opcodes(old, new) if code[0] in ("insert", "replace")]
    return frozenset(index for part in parts for index in part)


def _in_our_order(guide_text: list[str], ours: list[str]) -> list[str]:
    """Return the guide's words, with the options that both have in the order of ours."""
    groups, own = _options(guide_text), _options(ours)
    common = [group for group in own if group in groups and group[:1] and group[0].startswith("--")]
    places = [place for place, group in enumerate(groups) if group in common]
    if sorted(common) != sorted(groups[place] for place in places):
        return guide_text  # one of them twice
    for place, group in zip(places, common, strict=True):
        groups[place] = group
    return [word for group in groups for word in group]


def _options(words: list[str]) -> list[list[str]]:
    """Split a command at its options: each with its values."""
    groups: list[list[str]] = [[]]
    for word in words:
        if word.startswith("--"):
            groups.append([])
        groups[-1].append(word)
    return groups


def _places(guide_text: list[str], ours: list[str], first: int) -> dict[int, str]:
    """Return which of ``ours`` replace ``guide_text``: the same option, else the first."""
    options = {word.partition("=")[0]: n for n, word in enumerate(ours) if word.startswith("--")}
    texts: dict[int, str] = {}
    for word in guide_text:
        option = word.partition("=")[0]
        at = first + options.get(option if word.startswith("--") else "", 0)
        texts[at] = f"{texts[at]} {word}" if at in texts else word
    return texts


class Piece(NamedTuple):
    """Text of a command, or of the ``slot``. ``later``: a proposal; the value is set at launch."""

    text: str
    slot: str = ""
    later: bool = False
    ours: bool = False  # differs from the guide


class CommandLine(NamedTuple):
    """A flag (or nothing) and its values. ``was``: its text before; ``mark``: why it differs."""

    flag: str
    pieces: tuple[Piece, ...]
    changed: bool = False
    was: str = ""
    mark: Mark | None = None
    guide_text: str = ""
    ours: bool = False  # the flag itself


class StepView(NamedTuple):
    """One command. ``gone``: lines of the compared plan that it lacks; ``left_out``: of the
    guide."""

    name: str
    lines: tuple[CommandLine, ...]
    env: tuple[CommandLine, ...]
    gone: tuple[str, ...] = ()
    serves: bool = False
    timeout_s: float | None = None
    mark: Mark | None = None
    left_out: tuple[tuple[str, Mark | None], ...] = ()
    cwd: tuple[Piece, ...] = ()  # working folder; empty for the job's own

    @property
    def env_changed(self) -> bool:
        return any(line.changed or line.mark for line in self.env)


class FileView(NamedTuple):
    """A file of the plan: lines of text, each with a flag for changes."""

    name: str
    lines: tuple[tuple[str, bool], ...]
    bytes: int
    changed: bool = False
    ours: bool = False  # the changes are relative to the guide


class CommandView(NamedTuple):
    """A plan, ready for ``_command.html``. ``slots``: names with values; True: set at launch."""

    steps: tuple[StepView, ...]
    files: tuple[FileView, ...]
    slots: tuple[tuple[str, str, bool], ...]
    sha256: str
    notes: tuple[str, ...] = ()  # differences from the guide, by mark number
    steps_gone: tuple[str, ...] = ()  # guide steps that it lacks


def command_view(
    plan: Plan,
    values: Mapping[str, str],
    *,
    proposed: Mapping[str, str] | None = None,
    before: Plan | None = None,
    guide: AgainstGuide | None = None,
) -> CommandView:
    """Return the view of a plan, with changes against ``before`` and the guide marked."""
    differences = guide or AgainstGuide()
    shown = _Shown(values, proposed or {}, differences, compare=before is not None)
    old_steps = {step.name: step for step in before.steps} if before else {}
    old_files = {item.name: item for item in before.files} if before else {}
    return CommandView(
        steps=tuple(_step(step, old_steps.get(step.name), shown) for step in plan.steps),
        files=tuple(_file(item, old_files.get(item.name), shown) for item in plan.files),
        slots=tuple(
            (name, values.get(name) or shown.later.get(name, ""), name not in values)
            for name in (() if plan.filled else slots(plan))
        ),
        sha256=plan.sha256(),
        notes=differences.notes,
        steps_gone=tuple(differences.steps_gone(plan)),
    )


class _Shown(NamedTuple):
    """Context for the view of each part of a plan."""

    values: Mapping[str, str]
    later: Mapping[str, str]
    guide: AgainstGuide
    compare: bool


def _step(step: Step, old: Step | None, shown: _Shown) -> StepView:
    new, env = _groups(step.argv), _env_groups(step.env)
    old_new, old_env = (_groups(old.argv), _env_groups(old.env)) if old else ([], [])
    changes = env_changes = Changes()
    if guide := shown.guide.step(step):
        changes = _compare(list(guide.argv), list(step.argv))
        env_changes = _compare(_assigned(guide), _assigned(step))
    here = _numbered(new + env)
    gone = (
        " ".join([flag, *map(_plain, arguments)]).replace("= ", "=")
        for (flag, at), arguments in _numbered(old_new + old_env).items()
        if (flag, at) not in here
    )
    return StepView(
        name=step.name,
        lines=_lines(step.name, new, old_new, changes, shown),
        env=_lines(step.name, env, old_env, env_changes, shown),
        gone=tuple(gone),
        serves=step.serves,
        timeout_s=step.timeout_s,
        mark=shown.guide.step_mark(step),
        left_out=tuple(
            (_plain(text), shown.guide.mark(step.name, text.split()[0], text, changed=True))
            for text in (*changes.gone, *env_changes.gone)
        ),
        cwd=tuple(_pieces_of((step.cwd,), shown, Changes(), 0)) if step.cwd else (),
    )


def _groups(argv: Iterable[str]) -> list[Group]:
    """Group arguments by option: ``("--port", ("8000",))``; the program has no flag."""
    groups: list[tuple[str, list[str]]] = []
    for arg in argv:
        if len(arg) > 1 and arg.startswith("-") and not arg[1].isdigit() and "\n" not in arg:
            flag, equals, value = arg.partition("=")
            groups.append((flag + equals, [value] if equals else []))
        elif groups:
            groups[-1][1].append(arg)
        else:
            groups.append(("", [arg]))
    return [(flag, tuple(arguments)) for flag, arguments in groups]


def _assigned(step: Step) -> list[str]:
    return [f"{name}={value}" for name, value in step.env]


def _env_groups(env: Iterable[tuple[str, str]]) -> list[Group]:
    return [(f"{key}=", (value,)) for key, value in env]


def _numbered(groups: Iterable[Group]) -> dict[tuple[str, int], tuple[str, ...]]:
    """Number each flag by occurrence, because an option may repeat."""
    count: Counter[str] = Counter()
    numbered = {}
    for flag, arguments in groups:
        numbered[(flag, count[flag])] = arguments
        count[flag] += 1
    return numbered


def _lines(
    step: str, groups: list[Group], old: list[Group], changes: Changes, shown: _Shown
) -> tuple[CommandLine, ...]:
    old_groups = _numbered(old)
    lines, at = [], 0
    for (flag, number), arguments in _numbered(groups).items():
        before = old_groups.get((flag, number))
        changed = shown.compare and before != arguments
        # "--flag=value" is one word of the command, "--flag value" are two.
        own = at if flag and not flag.endswith("=") else None
        first = at if own is None else at + 1
        here, at = range(at, first + len(arguments)), first + len(arguments)
        text = " ".join([flag, *arguments])
        differs = not changes.changed.isdisjoint(here)
        printed = [_plain(changes.guide_text[n]) for n in here if n in changes.guide_text]
        mark = shown.guide.mark(step, flag, text, changed=differs)
        lines.append(
            CommandLine(
                flag=flag,
                pieces=tuple(_pieces_of(arguments, shown, changes, first)),
                changed=changed,
                was=" ".join(map(_plain, before)) if changed and before else "",
                mark=mark,
                guide_text=" ".join(printed) or (mark.guide_text if mark else ""),
                ours=(first if own is None else own) in changes.changed,
            )
        )
    return tuple(lines)


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
    guide_text = shown.guide.guide_file(item.name)
    is_new = shown.compare and (old is None or old.text != item.text)
    before = (old.text if old else "") if is_new else guide_text
    changed = frozenset[int]() if before is None else _changed(before.splitlines(), lines)
    return FileView(
        name=item.name,
        lines=tuple((line, index in changed) for index, line in enumerate(lines)),
        bytes=len(item.text.encode()),
        changed=bool(changed),
        ours=guide_text is not None and not is_new,
    )
