"""Differences of a command from the guide's, word by word, with notes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from django.utils.translation import gettext as _

from dashboard.text.messages import message
from jobs.kinds.deploy.deploy_vllm import PRINTED_PORT
from jobs.plans import Plan, Step, from_json
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

_LOAD = re.compile(r"-[0-9]+$")  # the concurrency in the name of a step

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
_OWN_STEPS = frozenset(
    about.removeprefix("step:")
    for abouts in ABOUT.values()
    for about in abouts
    if about.startswith("step:")
)


@dataclass(frozen=True, slots=True)
class Mark:
    """Reason of a difference. ``number``: the note's number in the list, 0: none.

    ``guide_text``: the guide's text, if its plan for this host does not have it.
    """

    number: int
    reason: str
    guide_text: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Differences of a command from the guide. ``changed``: indexes of its words that differ,
    ``guide_text``: the guide's text there, ``gone``: words only in the guide.
    """

    changed: frozenset[int] = frozenset()
    guide_text: Mapping[int, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Against:
    """Differences of a plan from the guide's. ``notes`` are in order, in the viewer's language."""

    ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    plan: Plan | None = None

    def step(self, step: Step) -> Changes:
        """Return differences of the command."""
        return self._changes(step, list(step.argv), lambda other: list(other.argv))

    def environment(self, step: Step) -> Changes:
        """Return differences of the environment, by index of the variables."""
        variables = [f"{name}={value}" for name, value in step.env]
        return self._changes(step, variables, lambda other: [f"{n}={v}" for n, v in other.env])

    def steps_gone(self, plan: Plan) -> list[str]:
        """Return names of guide steps missing in the plan."""
        here = {step.name for step in plan.steps} | _OWN_STEPS
        return [step.name for step in self.plan.steps if step.name not in here] if self.plan else []

    def guide_file(self, name: str) -> str | None:
        """Return the guide's text of a file, if different."""
        files = self.plan.files if self.plan else ()
        return next((item.text for item in files if item.name == name), None)

    def mark(self, step: str, flag: str, text: str, *, changed: bool) -> Mark | None:
        """Return the note on a line; None: equal to the guide.

        A note on its step comes first, then one on its text, then one on its option.
        """
        if changed and (own := self._note_on(step)):
            return own
        counts = [
            (number, name) for number, name in enumerate(self.ids, 1) if changed or name in _ALWAYS
        ]
        for is_option in (False, True):
            for number, name in counts:
                abouts = [one for one in ABOUT.get(name, ()) if one.startswith("-") == is_option]
                if any(_is_about(about, flag, text) for about in abouts):
                    return Mark(number, self.notes[number - 1], _PRINTED.get(name, ""))
        return Mark(0, _("The guide differs here or has nothing.")) if changed else None

    def step_mark(self, step: Step) -> Mark | None:
        """Return the note on an added step; None for a step of the guide."""
        if own := self._note_on(step.name):
            return own
        return Mark(0, _("Not a step of the guide.")) if self.step(step).is_new else None

    def _note_on(self, step: str) -> Mark | None:
        """Return the note on a whole step; those of several loads share it."""
        wanted = {f"step:{step}", f"step:{_LOAD.sub('', step)}"}
        for number, name in enumerate(self.ids, 1):
            if not wanted.isdisjoint(ABOUT.get(name, ())):
                return Mark(number, self.notes[number - 1])
        return None

    def _changes(self, step: Step, ours: list[str], of: Any) -> Changes:
        if self.plan is None:
            return Changes()
        other = next((item for item in self.plan.steps if item.name == step.name), None)
        if other is None:
            return Changes(is_new=True)
        return _compare(of(other), ours)


def against(data: Mapping[str, Any]) -> Against:
    """Return a job's stored differences (``jobs.kinds.lib.guide``), in the viewer's
    language."""
    notes: Sequence[Mapping[str, Any]] = data.get("notes", [])
    return Against(
        ids=tuple(str(note["id"]) for note in notes),
        notes=tuple(message(str(note["id"]), note["args"]) for note in notes),
        plan=from_json(data["plan"]) if data.get("plan") else None,
    )


def _compare(guide_text: list[str], ours: list[str]) -> Changes:
    """Return the differences; options with the same values in another place are equal."""
    guide_text = _in_our_order(guide_text, ours)
    changed: set[int] = set()
    there: dict[int, str] = {}
    gone = []
    matcher = SequenceMatcher(None, guide_text, ours, autojunk=False)
    for tag, start, end, first, last in matcher.get_opcodes():
        if tag in ("insert", "replace"):
            changed.update(range(first, last))
        if tag == "replace":
            there |= _places(guide_text[start:end], ours[first:last], first)
        if tag == "delete":
            gone.append(" ".join(guide_text[start:end]))
    return Changes(frozenset(changed), there, tuple(gone))


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


def _is_about(about: str, flag: str, text: str) -> bool:
    return about == flag.rstrip("=") if about.startswith("-") else about in text
