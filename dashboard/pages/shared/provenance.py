"""Texts for identity and provenance of a result."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.text.formatting import number, size
from dashboard.text.labels import EXTERNAL, host_word, kind_title, phrase, setting_title, stack_name
from jobs.kinds.lib import evaluations
from jobs.models import Result
from jobs.queries.comparison.settings import NO, YES, text_of
from jobs.queries.results.provenance import provenance

_GROUPS: dict[str, str | Promise] = {
    "measurement": gettext_lazy("Measurement"),
    "workload": gettext_lazy("Workload"),
    "deployment": gettext_lazy("Deployment"),
    "model": gettext_lazy("Model"),
    "engine": gettext_lazy("Engine"),
    "host": gettext_lazy("Host"),
}
_NAMES: dict[str, str | Promise] = {
    "kind": gettext_lazy("Kind"),
    "files_sha256": gettext_lazy("Data, SHA-256"),
    "config_sha256": gettext_lazy("Configuration, SHA-256"),
    "questions_sha256": gettext_lazy("Questions, SHA-256"),
    "scorer_sha256": gettext_lazy("Scoring rule, SHA-256"),
    "prompts_sha256": gettext_lazy("Prompts, SHA-256"),
    "dataset_sha256": gettext_lazy("Data set, SHA-256"),
    "weights_sha256": gettext_lazy("Weights, SHA-256"),
    "sha256": gettext_lazy("Weights, SHA-256"),
    "dies": gettext_lazy("Dies"),
    "driver": gettext_lazy("Driver"),
    "firmware": gettext_lazy("Firmware"),
    "image": gettext_lazy("Image"),
    "image_id": gettext_lazy("Image ID"),
    "engine": gettext_lazy("Engine"),
    "tool": gettext_lazy("Tool"),
    "measured_in": gettext_lazy("Tool version"),
    "host_load": gettext_lazy("Host load"),
    "concurrent_load": gettext_lazy("Also running"),
    "arguments": gettext_lazy("Engine arguments"),
    "environment": gettext_lazy("Engine version"),
    "plan": gettext_lazy("Plan"),
    "seed": gettext_lazy("Seed"),
    "workload": gettext_lazy("Workload"),
    "device": gettext_lazy("Device"),
    "devices": gettext_lazy("Devices"),
    "parallelism": gettext_lazy("Parallelism"),
    "precision": gettext_lazy("Precision"),
    "max_input": gettext_lazy("Max input length"),
    "max_total": gettext_lazy("Max model length"),
    "served": gettext_lazy("Served model"),
    **EXTERNAL,
}
# Parts with several instances: type and name.
_NAMED: dict[str, str | Promise] = {
    "environment": gettext_lazy("environment %(name)s"),
    "program": gettext_lazy("program %(name)s"),
    "image": gettext_lazy("image %(name)s"),
}
# Parts chosen by the tool when left empty.
_OWN_CHOICE = frozenset(("dataset", "path"))
_SEEDS: dict[str, str | Promise] = {
    "fresh": gettext_lazy("new for each concurrency and run"),
    "none": gettext_lazy("none"),
}


class Group(NamedTuple):
    """Section of the identity with rows (name, value); None: unknown."""

    title: str
    rows: list[tuple[str, str | None]]


def identity_rows(result: Result) -> list[Group]:
    parts = result.identity.get("parts") or {}
    groups = []
    for group, title in _GROUPS.items():
        if parts.get(group):
            known = parts[group].items()
            rows = [(part_title(k), None if v is None else part_text(k, v)) for k, v in known]
            groups.append(Group(str(title), rows))
    return groups


def unknown_words(result: Result) -> str:
    """Return the unknown parts that prevent grouping: "Image, Driver"; "" for none."""
    names = [name.partition(".")[2] for name in result.identity.get("unknown") or ()]
    return _(", ").join(part_title(name) for name in dict.fromkeys(names))


def part_title(name: str) -> str:
    if name in _NAMES:
        return str(_NAMES[name])
    return capfirst(_numbered(name)) or setting_title(name)


def provenance_rows(result: Result) -> list[tuple[str, str | None]]:
    known = provenance(result)
    return [
        *((part_title(name), _provenance_text(name, one)) for name, one in known.parts.items()),
        *((part_title(name), None) for name in known.missing),
    ]


def part_text(name: str, value: Any) -> str:
    if name == "kind":
        return kind_title(value)
    if name == "stack":
        return stack_name(value)
    if name == "host":
        return host_word(value)
    if name == "seed":
        kind, _colon, which = str(value).partition(": ")
        return _("fixed: %(seed)s") % {"seed": which} if which else str(_SEEDS.get(kind, kind))
    if name == evaluations.THINKING:
        return str(evaluations.THINKING_WORDS.get(value, value))
    if name in _OWN_CHOICE and value == "":
        return _("tool default")
    text = phrase(_listed(text_of(value)))
    return {YES: _("yes"), NO: _("no"), "": _("none")}.get(text, text)


def _numbered(name: str) -> str:
    """Return the title of a named part: "environment llama.cpp", "image 2"; "" for other parts."""
    part, _space, which = name.partition(" ")
    return str(_NAMED[part]) % {"name": which} if which and part in _NAMED else ""


def _listed(text: str) -> str:
    """Return a stored JSON list, ``["a", "b"]``, as comma-separated text."""
    try:
        items = json.loads(text) if text.startswith("[") else None
    except ValueError:
        return text
    return _(", ").join(map(str, items)) if isinstance(items, list) else text


def _provenance_text(name: str, value: Any) -> str:
    if name == "host_load":
        return _load_text(value)
    if name == "concurrent_load":
        return _concurrent_load_text(value)
    if name in ("engine", "measured_in"):
        image = str(_NAMED["image"])
        return _(", ").join(
            image % {"name": version} if key == "image" else f"{_numbered(key) or key} {version}"
            for key, version in value.items()
        )
    if name == "dies":
        return _("%(n)s: %(ids)s") % {"n": len(value), "ids": _(", ").join(value)}
    return str(value)


def _load_text(load: Mapping[str, Mapping[str, float]]) -> str:
    parts = []
    if one := load.get("load_1m"):
        text = _("load: mean %(mean)s, max %(max)s (%(n)s samples)")
        parts.append(text % {**_rounded(one), "n": one["samples"]})
    if "memory_free_bytes" in load:
        least = " ".join(size(load["memory_free_bytes"]["min"]))
        parts.append(_("free memory: min %(size)s") % {"size": least})
    if "power_w" in load:
        parts.append(_("die power: mean %(mean)s W, max %(max)s W") % _rounded(load["power_w"]))
    if "temp_c" in load:
        parts.append(_("hottest die: %(max)s °C") % _rounded(load["temp_c"]))
    return _(", ").join(parts)


def _rounded(one: Mapping[str, float]) -> dict[str, str]:
    return {name: number(float(one[name])) for name in ("mean", "max")}


def _concurrent_load_text(concurrent_load: Mapping[str, Any]) -> str:
    jobs = _(", ").join(f"#{pk}" for pk in concurrent_load["jobs"])
    names = _(", ").join(concurrent_load["deployments"])
    chats = concurrent_load.get("chats")  # missing in results of older versions
    parts = [
        _("jobs %(jobs)s") % {"jobs": jobs} if jobs else "",
        _("deployments %(names)s") % {"names": names} if names else "",
        _("chat answers: %(n)s") % {"n": chats} if chats else "",
    ]
    return _(", ").join(filter(None, parts)) or _("no other work of this dashboard")
