"""Form of a custom model: fields of the catalogue's schema, and the resulting YAML.

A form is a set of texts by field name; texts and file data convert both ways. Values without a
field stay in "more", as YAML.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from pydantic import ValidationError

from dashboard.pages.launch.launch_form import Field, Group, Option
from jobs.base.validation_errors import message_of
from jobs.catalog import THINKING_SWITCHES, ZooModel, files, schema
from jobs.tools.lib import yaml_text

MORE, CONFIG = "more", "config"
_PRECISIONS = ("bf16", "fp16", "fp8", "int8")
Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spec:
    """One field: path of its value in the file, and label.

    ``type``: text, number, several (words between commas), numbers, check, choice.
    """

    path: tuple[str, ...]
    label: str | Promise
    type: str = "text"
    help: str | Promise = ""
    choices: tuple[str, ...] = ()
    wide: bool = False
    default: bool | None = None  # the default of files without it

    @property
    def name(self) -> str:
        """Name in the form."""
        return ".".join(self.path)


def _numbers(section: str, *names: str) -> list[Spec]:
    return [Spec((section, name), name, "number") for name in names]


def _deploy(path: str) -> list[Spec]:
    at = ("paths", path)
    return [
        Spec(
            (*at, "precisions"), _("Precisions"), "several", _("fp16, int8 …; empty: not supported")
        ),
        Spec((*at, "tp"), _("Dies (tp)"), "numbers", _("Numbers separated by commas.")),
        Spec((*at, "default_tp"), _("Default tp"), "number"),
        Spec((*at, "source"), _("Reference"), wide=True),
    ]


GROUPS: Sequence[tuple[str | Promise, Sequence[Spec]]] = (
    (
        _("Model"),
        (
            Spec(
                ("id",),
                _("ID"),
                help=_("Small letters, digits, dots and hyphens. Cannot be changed later."),
            ),
            Spec(("name",), _("Name")),
            Spec(("hub_id",), _("Hub ID"), help=_("owner/name, as on Hugging Face")),
            Spec(("base_model",), _("Base model")),
            Spec(("family",), _("Family"), help=_("such as Qwen2")),
            Spec(("summary",), _("Summary"), wide=True),
            Spec(("parameters",), pgettext_lazy("of a model", "Parameters"), "number"),
            Spec(("active_parameters",), _("Active parameters"), "number"),
            Spec(("dtype",), _("Weight precision"), "choice", choices=_PRECISIONS),
            Spec(("context_tokens",), _("Context, tokens"), "number"),
            Spec(("languages",), _("Languages"), "several", _("en, zh …")),
            Spec(("reasoning",), _("Reasoning model"), "check"),
            Spec(
                ("thinking_switch",),
                _("Thinking switch"),
                "choice",
                _("Variable of the chat template; empty: none."),
                choices=THINKING_SWITCHES,
            ),
            Spec(("licence",), _("Licence")),
            Spec(("licence_note",), _("Licence note"), wide=True),
        ),
    ),
    (
        _("Architecture"),
        (
            Spec(("architecture", "name"), "architectures"),
            *_numbers(
                "architecture",
                *("hidden_size", "intermediate_size", "num_hidden_layers"),
                *("num_attention_heads", "num_key_value_heads", "head_dim", "vocab_size"),
                *("max_position_embeddings", "rope_theta", "rms_norm_eps"),
                *("bos_token_id", "eos_token_id"),
            ),
            Spec(("architecture", "tie_word_embeddings"), "tie_word_embeddings", "check"),
        ),
    ),
    (
        _("Weights"),
        (
            Spec(("source", "bytes"), _("Bytes"), "number", _("total of all tensors")),
            Spec(("source", "shards"), _("Shards"), "number"),
            Spec(("source", "index_file"), _("Index"), help=_("for several shards")),
            Spec(("source", "precision"), _("Precision"), "choice", choices=_PRECISIONS),
            Spec(("source", "gated"), _("Hub token required"), "check"),
        ),
    ),
    (
        _("Deploy with Build_In"),
        (
            *_deploy("build_in"),
            Spec(("paths", "build_in", "shape", "max_input"), _("Compiled input length"), "number"),
            Spec(
                ("paths", "build_in", "shape", "max_length"), _("Compiled total length"), "number"
            ),
        ),
    ),
    (_("Deploy with vLLM"), tuple(_deploy("vllm"))),
    (
        _("Sampling defaults"),
        (
            Spec(("sampling", "temperature"), _("Temperature"), "number"),
            Spec(("sampling", "top_p"), "top_p", "number"),
            Spec(("sampling", "max_tokens"), _("Max output tokens"), "number"),
            Spec(
                ("prompting", "system_prompt"),
                _("Supports a system prompt"),
                "check",
                default=True,
            ),
        ),
    ),
)
SPECS = tuple(spec for _title, specs in GROUPS for spec in specs)
# Values of config.json: if all are empty, the form has not been started.
_CONFIG_FIELDS = tuple(
    spec.name for spec in SPECS if spec.path[0] == "architecture" and spec.type != "check"
)
EMPTY: Data = {
    "source": {"sort": "hub", "shards": 1},
    "prompting": {"system_prompt": True},
    "sampling": {"temperature": 0.6, "top_p": 0.95, "max_tokens": 32768},
}


def typed_of(data: Mapping[str, Any]) -> dict[str, str]:
    """Return the form's texts for ``data``."""
    rest = copy.deepcopy(dict(data))
    rest.get("source", {}).pop("sort", None)
    typed = {spec.name: _shown(_taken(rest, spec.path), spec.default) for spec in SPECS}
    rest = _without_empty(rest)
    return {**typed, MORE: yaml_text.dump(rest) if rest else ""}


def data_of(typed: Mapping[str, str]) -> Data:
    """Return the file's data, in form order.

    Raises:
        ModelInvalid: "more" is not a YAML mapping.
    """
    data: Data = {}
    for spec in SPECS:
        value = _value(spec, typed.get(spec.name, "").strip())
        if value is not None:
            _put(data, spec.path, value)
    for path in [
        name for name, facts in data.get("paths", {}).items() if "precisions" not in facts
    ]:
        del data["paths"][path]
    data.setdefault("source", {})
    data["source"] = {"sort": "hub", **data["source"]}
    return _merged(data, _more_of(typed))


def _more_of(typed: Mapping[str, str]) -> Data:
    """Parse "more".

    Raises:
        ModelInvalid: not a YAML mapping.
    """
    more = _loaded(typed.get(MORE, ""), MORE)
    if more is None:
        return {}
    if not isinstance(more, dict):
        raise ModelInvalid({MORE: gettext("Enter lines of “name: value”.")})
    return more


def _loaded(text: str, field: str) -> Any:
    """Parse a YAML text.

    Raises:
        ModelInvalid: invalid YAML; the error is at ``field``.
    """
    try:
        return files.load(text)
    except files.NotYaml as error:
        message = gettext("Invalid YAML: %(reason)s")
        if error.line:
            message = gettext("Invalid YAML, line %(line)s: %(reason)s")
        args = {"reason": error.reason, "line": error.line}
        raise ModelInvalid({field: message % args}) from error


class ModelInvalid(ValueError):
    """The form is not a valid model. ``errors``: field → message; "" is the whole form."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = dict(errors)


def check_text(text: str) -> None:
    """Validate a file's YAML as a model of the catalogue.

    Raises:
        ModelInvalid: invalid; each error with its place in the file.
    """
    try:
        ZooModel.model_validate(_loaded(text, ""))
    except ValidationError as error:
        errors = {_place(fault): _fault_text(fault) for fault in reversed(error.errors())}
        raise ModelInvalid(dict(reversed(errors.items()))) from error


def checked(data: Data) -> str:
    """Return the validated YAML of a model.

    Raises:
        ModelInvalid: invalid; each error with its field.
    """
    try:
        ZooModel.model_validate(data)
    except ValidationError as error:
        raise ModelInvalid(dict(_faults(error))) from error
    return yaml_text.dump(data)


def id_in(text: str) -> str:
    """Return the id in a model's YAML; "" for none.

    Raises:
        ValueError: invalid YAML.
    """
    data = files.load(text)
    return str(data.get("id", "")) if isinstance(data, dict) else ""


def begun(typed: Mapping[str, str]) -> dict[str, str]:
    """Return a form to save, filled in from its ``config.json`` and hub id.

    Raises:
        ModelInvalid: architecture and ``config.json`` are missing. Nearly all other fields follow
        from them, so no other error is shown yet.
    """
    if any(typed.get(name, "").strip() for name in (*_CONFIG_FIELDS, MORE)):
        return dict(typed)
    if typed.get(CONFIG, "").strip():
        return with_config(typed)
    errors = {CONFIG: gettext("Paste config.json first. Most fields are filled in from it.")}
    if not typed.get("hub_id", "").strip():
        errors["hub_id"] = gettext(
            "Enter owner/name as on the hub. ID and name are filled in from it."
        )
    raise ModelInvalid(errors)


def _named(typed: Mapping[str, str]) -> dict[str, str]:
    """Fill empty id and name from the hub id: "Qwen/Qwen2.5-7B" gives "qwen2.5-7b"."""
    name = typed.get("hub_id", "").strip().rpartition("/")[2]
    plain = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
    proposed = {"id": plain, "name": name}
    return {field: text for field, text in proposed.items() if not typed.get(field, "").strip()}


def with_config(typed: Mapping[str, str]) -> dict[str, str]:
    """Return the form filled in from its pasted ``config.json``.

    Raises:
        ModelInvalid: invalid ``config.json``, or "more" cannot be extended.
    """
    more_typed = _more_of(typed)
    try:
        config = schema.read_config(typed.get(CONFIG, ""))
    except ValueError as error:
        raise ModelInvalid({CONFIG: str(error)}) from error
    facts = {"architecture": schema.architecture_of(config), **schema.facts_of(config)}
    if "dtype" in facts:
        facts["source"] = {"precision": facts["dtype"]}
    filled = typed_of(facts)
    more = yaml_text.dump(_merged(more_typed, _more_of(filled)))
    del filled[MORE]
    names = [spec.name for spec in SPECS if spec.path[0] in facts]
    known = {name: filled[name] for name in names if filled[name]}
    return {**typed, **known, **_named(typed), MORE: "" if more.strip() == "{}" else more}


def fields(
    typed: Mapping[str, str], errors: Mapping[str, str], *, fixed_id: bool
) -> tuple[Group, ...]:
    """Return the form's fields for display."""
    return tuple(
        Group(
            str(title),
            tuple(
                _field(spec, typed, errors)
                for spec in specs
                if not (fixed_id and spec.path == ("id",))
            ),
        )
        for title, specs in GROUPS
    )


def text_field(
    name: str, label: str, help: str, typed: Mapping[str, str], errors: Mapping[str, str]
) -> Field:
    """Return a multi-line field outside the groups."""
    value = typed.get(name, "")
    return Field(name, label, help, "lines", value, value, error=errors.get(name, ""))


def _field(spec: Spec, typed: Mapping[str, str], errors: Mapping[str, str]) -> Field:
    value = typed.get(spec.name, "")
    control = {"check": "check", "choice": "select", "number": "number"}.get(spec.type, "text")
    options = tuple(Option(word, word, word == value) for word in ("", *spec.choices))
    return Field(
        name=spec.name,
        label=str(spec.label),
        help=str(spec.help),
        control="lines" if spec.wide else control,
        value=value,
        default=value,
        options=options if spec.choices else (),
        error=errors.get(spec.name, ""),
    )


def _value(spec: Spec, text: str) -> Any:
    """Parse a text; None: empty. Invalid numbers are left to the schema."""
    if spec.type == "check":
        return text == "1"
    items = [word for word in re.split(r"[,，\s]+", text) if word]
    if not items:
        return None
    if spec.type == "number":
        return _number(text)
    if spec.type == "several":
        return items
    return [_number(word) for word in items] if spec.type == "numbers" else text


def _number(text: str) -> Any:
    plain = text.replace(",", "").replace("_", "")
    for convert in (int, float):
        try:
            return convert(plain)
        except ValueError:
            continue
    return text


def _shown(value: Any, default: bool | None) -> str:
    if value is None:
        return "" if default is None else _shown(default, None)
    if isinstance(value, bool):
        return "1" if value else "0"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _taken(data: Data, path: Sequence[str]) -> Any:
    """Remove and return the value at ``path``."""
    for name in path[:-1]:
        inner = data.get(name)
        if not isinstance(inner, dict):
            return None
        data = inner
    return data.pop(path[-1], None)


def _put(data: Data, path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        data = data.setdefault(name, {})
    data[path[-1]] = value


def _merged(first: Data, second: Data) -> Data:
    merged = dict(first)
    for name, value in second.items():
        there = merged.get(name)
        both = isinstance(there, dict) and isinstance(value, dict)
        merged[name] = _merged(there, value) if both else value  # type: ignore[arg-type]
    return merged


def _without_empty(data: Data) -> Data:
    cleaned = {
        name: _without_empty(value) if isinstance(value, dict) else value
        for name, value in data.items()
    }
    return {name: value for name, value in cleaned.items() if value not in ({}, None, [], "")}


def _faults(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Return field → message; errors without a field carry their place."""
    for fault in reversed(error.errors()):
        place = _place(fault)
        field, text = _field_at(place), _fault_text(fault)
        if place == "paths":
            yield from ((f"paths.{path}.precisions", text) for path in ("build_in", "vllm"))
            continue
        yield (field, text) if field or not place else (MORE, f"{place}: {text}")


def _place(fault: Mapping[str, Any]) -> str:
    """Return the place of an error in the file, without union branches."""
    loc = [str(part) for part in fault["loc"]]
    if loc[:1] == ["source"] and loc[1:2] in (["hub"], ["package"]):
        del loc[1]
    if loc and loc[-1].startswith(("constrained-", "literal[", "[key]")):
        del loc[-1]
    return ".".join(loc)


def _field_at(place: str) -> str:
    """Return the form's field of a place; "": none."""
    parts = place.split(".")
    names = {spec.name for spec in SPECS}
    starts = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((name for name in starts if name in names), "")


def _fault_text(fault: Mapping[str, Any]) -> str:
    """Return the message of an error: model file messages first, then general ones."""
    place, fault_type = _place(fault), str(fault["type"])
    if place == "paths" and fault_type in ("missing", "too_short"):
        return gettext("Enter precisions and dies for Build_In or vLLM.")
    if place == "id" and fault_type == "string_pattern_mismatch":
        return gettext("Use small letters, digits, single dots and hyphens.")
    if place == "hub_id" and fault_type == "string_pattern_mismatch":
        return gettext("Enter owner/name: letters, digits, dots, dashes and underscores.")
    texts: dict[str, str | Promise] = {
        "extra_forbidden": _("Unknown field."),
        "string_type": _("Enter text."),
        "tuple_type": _("Enter a list."),
        "model_type": _("Enter lines of “name: value”."),
        "dict_type": _("Enter lines of “name: value”."),
        "shards_unindexed": _("Enter index_file for several shards."),
        "tp_out_of_range": _("Each tp must be from 1 to 4096 dies."),
        "default_tp_unlisted": _("default_tp must be one of tp."),
        "shape_misplaced": _("Set a shape for Build_In only; Build_In requires one."),
        "modification_unknown": _("The VACC patch supports only Build_In of %(architecture)s."),
        "active_above_all": _("active_parameters must not exceed parameters."),
        "heads_uneven": _("num_attention_heads must be a multiple of num_key_value_heads."),
    }
    if fault_type in texts:
        return str(str(texts[fault_type]) % fault.get("ctx", {}))
    return message_of(fault)
