"""Parameters of an answer as engines take them: fields of a question, for page and API."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic_core import from_json

from jobs.base.sanitize import sanitize
from jobs.completions import LLAMA_CPP, OWN_NAMES, SAMPLING, SENT_AS, VARIABLES
from jobs.kinds.lib.evaluations import THINKING_WORDS
from jobs.queries.chat import MOST_TOKENS, ChatEngine

MOST_JSON, MOST_DEPTH = 16_384, 20  # characters and levels of one field
MOST_STOPS, LONGEST_STOP = 16, 200
_EXTRA_NAMES = 64
# OpenAI's API has no such names; these two engines document each.
_BEYOND = ("top_k", "min_p", "repetition_penalty", VARIABLES)
_TAKES_ALL = ("vllm", LLAMA_CPP)
_STEPS = {"temperature": "0.05", "top_p": "0.01"}  # of sliders


class ObjectField(forms.Field):
    """A JSON object, as text or, over the API, as data; {} for none."""

    def to_python(self, value: Any) -> dict[str, Any]:
        if value in (None, "", {}):
            return {}
        bounds = {"chars": f"{MOST_JSON:,}", "levels": MOST_DEPTH}
        too_large = _("Too large: at most %(chars)s characters and %(levels)d levels.") % bounds
        try:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if len(text) > MOST_JSON:
                raise ValidationError(too_large)
            found = from_json(text, allow_inf_nan=False)
        except ValueError:
            raise ValidationError(_("No JSON. Enter an object, such as {“name”: 1}.")) from None
        if not isinstance(found, dict):
            raise ValidationError(_("Enter a JSON object, such as {“name”: 1}."))
        if depth(found) > MOST_DEPTH:
            raise ValidationError(too_large)
        if sanitize(found) != found:
            raise ValidationError(
                _("Remove zero bytes, half characters and integers over 64 bits.")
            )
        return found

    def prepare_value(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return json.dumps(value, ensure_ascii=False) if value else ""


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0) if isinstance(value, dict | list) else 0


class LinesField(forms.Field):
    """Texts, one a line, with ``\\n`` for a new line; over the API a list."""

    def to_python(self, value: Any) -> list[str]:
        texts = value or []
        if isinstance(value, str):
            texts = [line.replace("\\n", "\n") for line in re.split("\r?\n", value)]
        texts = list(filter(None, texts))
        if len(texts) > MOST_STOPS or max(map(len, texts), default=0) > LONGEST_STOP:
            bounds = {"count": MOST_STOPS, "chars": LONGEST_STOP}
            raise ValidationError(_("At most %(count)d lines of %(chars)d characters.") % bounds)
        if sanitize(texts) != texts:
            raise ValidationError(_("Remove zero bytes and half characters."))
        return texts

    def prepare_value(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return "\n".join(text.replace("\n", "\\n") for text in value or ())


def _attrs(**more: str) -> dict[str, str]:
    return {"form": "ask", "autocomplete": "off"} | more


def _number(kind: Any, least: float, most: float, **more: Any) -> Any:
    mode = "decimal" if kind is forms.FloatField else "numeric"
    widget = forms.TextInput(_attrs(inputmode=mode) | {"class": "form-control num"})
    return kind(min_value=least, max_value=most, widget=widget, **{"required": False} | more)


def _area(kind: Any, example: str = "", *, rows: int = 2, **more: Any) -> Any:
    own = {"class": "form-control wide mono", "rows": str(rows), "spellcheck": "false"}
    return kind(widget=forms.Textarea(_attrs(placeholder=example) | own), required=False, **more)


class NumberRow(NamedTuple):
    """A number's field. ``step``: of its slider, "" without one."""

    field: BoundField
    recommended: Any
    step: str


class ParamsForm(forms.Form):
    """Parameters of an answer. The engine chooses each one that is empty."""

    temperature = _number(forms.FloatField, 0, 2)
    top_p = _number(forms.FloatField, 0.01, 1)
    # Never empty: an engine without a limit may run until its context is full.
    max_tokens = _number(
        *(forms.IntegerField, 1, MOST_TOKENS), required=True, label=gettext_lazy("max tokens")
    )
    seed = _number(forms.IntegerField, 0, 2**31 - 1, label=gettext_lazy("seed"))
    top_k = _number(forms.IntegerField, -1, 1_000_000)
    min_p = _number(forms.FloatField, 0, 1)
    presence_penalty = _number(forms.FloatField, -2, 2)
    frequency_penalty = _number(forms.FloatField, -2, 2)
    repetition_penalty = _number(forms.FloatField, 0.01, 10)
    top_logprobs = _number(forms.IntegerField, 0, 20)
    stop = _area(LinesField, label=gettext_lazy("Stop texts, one a line"))
    response_format = _area(ObjectField, '{"type": "json_object"}')
    chat_template_kwargs = _area(ObjectField, '{"enable_thinking": false}')
    extra = _area(ObjectField, '{"mirostat": 2}', label=gettext_lazy("More fields, as JSON"))
    thinking = forms.ChoiceField(
        label=gettext_lazy("Thinking"),
        required=False,
        choices=[*THINKING_WORDS.items()],
        widget=forms.Select(_attrs() | {"class": "form-select wide"}),
    )
    system = _area(forms.CharField, rows=3, max_length=20_000, label=gettext_lazy("System prompt"))

    system.widget.attrs["class"] = "form-control wide"

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        initial: Mapping[str, Any] | None = None,
        recommended: Mapping[str, Any] | None = None,
        needs_limit: bool = True,
    ) -> None:
        super().__init__(
            data, initial=dict(initial or {}), auto_id="p-%s", use_required_attribute=False
        )
        self.fields["max_tokens"].required = needs_limit
        self.recommended = recommended or {}
        for name, field in self.fields.items():
            field.label = field.label or name  # as engines write it
        for name in self.errors if data is not None else ():
            if name in self.fields:
                attrs = self.fields[name].widget.attrs
                attrs["class"] = f"{attrs.get('class', '')} is-invalid"

    def clean_extra(self) -> dict[str, Any]:
        """Refuse names that other fields or the dashboard set."""
        given: dict[str, Any] = self.cleaned_data["extra"]
        if taken := next((name for name in given if name in OWN_NAMES), None):
            raise ValidationError(
                _("The dashboard sets %(name)s. Remove it here.") % {"name": taken}
            )
        if len(given) > _EXTRA_NAMES:
            raise ValidationError(_("At most %(count)d names.") % {"count": _EXTRA_NAMES})
        return given

    def clean_system(self) -> str:
        return str(self.cleaned_data["system"]).replace("\r\n", "\n")

    def params(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if name != "prompt"}
        return {name: value for name, value in values.items() if value not in (None, "", {}, [])}

    def texts(self) -> dict[str, str]:
        """Return the values as their fields show them, without empty ones."""
        values = {field.name: field.value() for field in self}
        return {name: str(value) for name, value in values.items() if value not in (None, "")}

    def numbers(self) -> list[NumberRow]:
        """Return the numbers that nearly each model states."""
        return self._numbers(("temperature", "top_p", "max_tokens", "seed"))

    def more_numbers(self) -> list[NumberRow]:
        rest = [name for name in SAMPLING if isinstance(self.fields.get(name), forms.IntegerField)]
        return self._numbers(rest[4:])

    def areas(self) -> list[BoundField]:
        return [self[name] for name in ("stop", "response_format", VARIABLES, "extra")]

    @property
    def has_more(self) -> bool:
        """True if a parameter of the folded part is set or wrong."""
        rows = [*(row.field for row in self.more_numbers()), *self.areas()]
        return any(field.errors or field.value() not in (None, "", {}, []) for field in rows)

    def _numbers(self, names: Any) -> list[NumberRow]:
        return [
            NumberRow(self[name], self.recommended.get(name), _STEPS.get(name, ""))
            for name in names
        ]


def engine_hint(engine: ChatEngine | None) -> str:
    """Return which names the engine takes."""
    if engine is None:
        return ""
    name = engine.engine_name
    if name == LLAMA_CPP:
        args = {"name": "repetition_penalty", "sent": SENT_AS[name]["repetition_penalty"]}
        return _("llama.cpp takes all of these; %(name)s is sent as %(sent)s.") % args
    if name in _TAKES_ALL:
        return _("vLLM takes all of these.")
    args = {"engine": name or _("this engine"), "names": ", ".join(_BEYOND)}
    return _("OpenAI's API does not have %(names)s: %(engine)s may ignore or refuse them.") % args
