"""Where a command differs from the guide's, word by word, and which note says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from django.utils.translation import gettext as _

from dashboard.text.messages import sentence
from jobs.kinds.deploy.deploy_vllm import PRINTED_PORT
from jobs.plans import Plan, Step, from_json
from jobs.toolchains.vacc_site import GUIDE_FACTS

# Note -> what it is about: an option, a text in the command, or "step:NAME" for a whole step. Notes
# that are about no part of the command stand in the list alone.
ABOUT: Mapping[str, tuple[str, ...]] = {
    "guide:detached": ("-dit",),
    "guide:workspace_here": ("-v",),
    "guide:port_free": ("--port", "-p"),
    "guide:port_other": ("--port", "-p"),
    "guide:docker_exec": ("docker exec",),
    "guide:own_name": ("--name", "--label", "--rm", "vllm-{deployment.id}", "vllm-bench-{job}"),
    "guide:dies_named": ("VACC_VISIBLE_DEVICES", "--label", "vllm-bench-{job}"),
    "guide:listens_everywhere": ("--host", "{port}"),
    "guide:served_name": ("--served-model-name", "--model"),
    "guide:key_in_environment": ("VLLM_API_KEY",),
    "guide:async_off": ("--no-async-scheduling",),
    "guide:backend_added": ("--backend", "--endpoint"),
    "guide:folder_made": ("step:folder", "--result-dir", "docker cp"),
    "guide:address_named": ("--host", "--port", "--served-model-name"),
    "guide:comparable": (
        *("--seed", "--percentile-metrics", "--metric-percentiles"),
        *("--trust-remote-code", "--save-detailed"),
    ),
    "guide:greedy": ("--temperature",),
    "guide:plugin_imported": ("step:plug-in",),
    "guide:json_kept": ("--output-json", "/results"),
    "guide:dataset_name_dropped": ("--dataset-name",),
    "guide:config_made": ("eval_ds.py",),
    "guide:run_collected": ("step:collect",),
    "guide:own_folder": ("-w", "COMPASS_DATA_CACHE", "follow_run.py"),
    "guide:details_kept": ("--dump-eval-details",),
    "guide:dataset_source": ("DATASET_SOURCE",),
    "guide:evalscope_key": ("EVALSCOPE_API_KEY", "--api-key"),
    "guide:verify_added": ("step:verify",),
    "guide:folder_looked_at": ("step:note", "step:verify"),
    "guide:inspect_added": ("step:inspect",),
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

# Those that are so in the guide's own plan too, for it cannot be run as it is printed.
_ALWAYS = frozenset(
    {
        *("guide:detached", "guide:docker_exec", "guide:key_in_environment", "guide:conda_yes"),
        *("guide:dataset_source", "guide:evalscope_key", "guide:image_noavx", "guide:yaml_filled"),
        *("guide:workspace_here", "guide:port_free", "guide:port_other"),
    }
)
# What the guide has in the place of such a one.
_PRINTED = {
    "guide:detached": "-it",
    "guide:workspace_here": f"{GUIDE_FACTS['workspace']}:{GUIDE_FACTS['mount']}",
    "guide:port_free": str(PRINTED_PORT),
    "guide:port_other": str(PRINTED_PORT),
}
# Steps that the guide's plan has of ours as well, or instead of another one of ours.
_OWN_STEPS = frozenset(
    about.removeprefix("step:")
    for abouts in ABOUT.values()
    for about in abouts
    if about.startswith("step:")
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Why something is not as the guide prints it. ``number``: the note's in the list, 0: none.

    ``printed``: what the guide has there, where its own plan, made for this host, has it not.
    """

    number: int
    reason: str
    printed: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Words of a command that the guide has not, by their places; ``printed`` what stands there in
    the guide, ``gone`` what it has and the command has not.
    """

    words: frozenset[int] = frozenset()
    printed: Mapping[int, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Against:
    """A plan against the guide's. ``notes`` are told in the viewer's language, in their order."""

    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plan: Plan | None = None

    def step(self, step: Step) -> Changes:
        """What of the command differs."""
        return self._changes(step, list(step.argv), lambda other: list(other.argv))

    def environment(self, step: Step) -> Changes:
        """What of the environment differs, by the places of the variables."""
        words = [f"{name}={value}" for name, value in step.env]
        return self._changes(step, words, lambda other: [f"{n}={v}" for n, v in other.env])

    def steps_gone(self, plan: Plan) -> list[str]:
        """Names of the guide's own steps that the plan has not."""
        here = {step.name for step in plan.steps} | _OWN_STEPS
        return [step.name for step in self.plan.steps if step.name not in here] if self.plan else []

    def file_printed(self, name: str) -> str | None:
        """The guide's own text of a file, where it is another one."""
        files = self.plan.files if self.plan else ()
        return next((item.text for item in files if item.name == name), None)

    def mark(self, step: str, flag: str, text: str, *, changed: bool) -> Mark | None:
        """Why a line is as it is: the first note that is about it; None: as in the guide."""
        for number, name in enumerate(self.ids, 1):
            if not changed and name not in _ALWAYS:
                continue
            if any(_is_about(about, flag, text) for about in ABOUT.get(name, ())):
                return Mark(number, self.notes[number - 1], _PRINTED.get(name, ""))
        return Mark(0, _("The guide differs here or has nothing.")) if changed else None

    def step_mark(self, step: Step) -> Mark | None:
        """Why a whole step is there; None for one that the guide has too."""
        for number, name in enumerate(self.ids, 1):
            if f"step:{step.name}" in ABOUT.get(name, ()):
                return Mark(number, self.notes[number - 1])
        return Mark(0, _("Not a step of the guide.")) if self.step(step).is_new else None

    def _changes(self, step: Step, words: list[str], of: Any) -> Changes:
        if self.plan is None:
            return Changes()
        other = next((item for item in self.plan.steps if item.name == step.name), None)
        if other is None:
            return Changes(is_new=True)
        return _compare(of(other), words)


def against(data: Mapping[str, Any]) -> Against:
    """What a job keeps (``jobs.kinds.lib.guide_diff``), in the viewer's language."""
    notes: Sequence[Mapping[str, Any]] = data.get("notes", [])
    return Against(
        ids=tuple(str(note["id"]) for note in notes),
        notes=tuple(sentence(str(note["id"]), note["args"]) for note in notes),
        plan=from_json(data["plan"]) if data.get("plan") else None,
    )


def _compare(printed: list[str], words: list[str]) -> Changes:
    changed: set[int] = set()
    there: dict[int, str] = {}
    gone = []
    matcher = SequenceMatcher(None, printed, words, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag in ("insert", "replace"):
            changed.update(range(first, last))
        if tag == "replace":
            there |= _places(printed[start:end], words[first:last], first)
        if tag == "delete":
            gone.append(" ".join(printed[start:end]))
    return Changes(frozenset(changed), there, tuple(gone))


def _places(printed: list[str], words: list[str], first: int) -> dict[int, str]:
    """Which of ``words`` stand for what was ``printed``: an option for itself, else the first."""
    options = {word.partition("=")[0]: n for n, word in enumerate(words) if word.startswith("--")}
    found: dict[int, str] = {}
    for word in printed:
        option = word.partition("=")[0]
        at = first + options.get(option if word.startswith("--") else "", 0)
        found[at] = f"{found[at]} {word}" if at in found else word
    return found


def _is_about(about: str, flag: str, text: str) -> bool:
    return about == flag.rstrip("=") if about.startswith("-") else about in text
