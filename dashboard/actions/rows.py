"""Rows that a team edits: their forms, and the changes of them, for page and API.

A form is the one place of a row's fields and rules. A page shows it (`dashboard.pages.admin.rows`),
an operation of the API fills it, and :func:`save` stores its row with an audit entry. Removed rows
stay for their history: of those in use, each name exists once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, models, transaction
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.action import Done, User, action
from dashboard.security.request import logged_in
from jobs.base.errors import LaunchError
from jobs.base.files import text_sha256
from jobs.base.validation_errors import one_line
from jobs.catalog import PROMPT_SETS
from jobs.kinds.lib.load import about_tokens
from jobs.launch.launch import InvalidParams
from jobs.models import PromptSet, ServiceLevel
from jobs.queries.results.levels import FAMILIES, INCLUDED, STATISTICS, level_of
from jobs.tools.lib.load import json_lines

Row = TypeVar("Row", bound=models.Model)


class Line(forms.CharField):
    """One printable line."""

    def to_python(self, value: Any) -> str:
        try:
            text = super().to_python(value) or ""
            return one_line(text, "", most=self.max_length or 0, is_optional=True)
        except LaunchError as error:
            raise ValidationError(str(error)) from None


class RowForm(forms.ModelForm, Generic[Row]):  # type: ignore[type-arg]  # not generic at run time
    """Form of one row. ``area``: of the rights ``area.add`` and ``area.change``, and of entries.
    ``names``: of fields, in the errors of a caller who has others."""

    area: ClassVar[str]
    most: ClassVar[int]
    too_many: ClassVar[str | Promise]  # with ``most``
    name_taken: ClassVar[str | Promise]

    instance: Row

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        *,
        instance: Row | None = None,
        initial: Mapping[str, Any] | None = None,
        user: AbstractBaseUser | AnonymousUser | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.user = logged_in(user) if user else None
        self.names = {"__all__": "", **(names or {})}
        super().__init__(data, files, instance=instance, initial=dict(initial or {}), auto_id="%s")
        self._stored = self._columns() if self.instance.pk else {}
        if self.instance.pk is None and self.user is not None:
            self.instance.created_by_id = self.user.pk  # type: ignore[attr-defined]  # each such row has it
        for name, field in self.fields.items():
            self.style(name, field)

    def style(self, name: str, field: forms.Field) -> None:
        """Name the element with errors and hint of a field, which every template has."""
        style = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
        if isinstance(field, forms.BooleanField):
            style = "form-check-input"
        own = {"class": style, "aria-describedby": f"{name}-hint"}
        field.widget.attrs = own | field.widget.attrs

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error(field, error)
        for name in self.errors.keys() & self.fields.keys():
            attrs = self.fields[name].widget.attrs
            attrs["class"] = f"{attrs['class'].removesuffix(' is-invalid')} is-invalid"

    def clean(self) -> None:
        """Limit the number of rows. The database checks names, because others add rows, too."""
        if self.instance.pk is None and self.in_use().count() >= self.most:
            self.add_error("name", self.too_many % {"most": self.most})

    def in_use(self) -> models.QuerySet[Row]:
        """Return the rows that count and are not removed."""
        rows: models.QuerySet[Row] = self._meta.model._default_manager.filter(removed_at=None)
        return rows

    def detail(self) -> dict[str, Any]:
        return {"name": str(self.instance)}

    def _columns(self) -> dict[str, Any]:
        row = self.instance
        return {each.name: getattr(row, each.attname) for each in row._meta.concrete_fields}

    def store(self) -> Row:
        """Store a new row, or the columns that changed: others may change the rest meanwhile.
        Raises ``InvalidParams``."""
        if self.is_valid():
            try:
                changed = None
                if self._stored:
                    now_set = self._columns().items()
                    changed = [name for name, value in now_set if self._stored[name] != value]
                with transaction.atomic():
                    self.instance.save(update_fields=changed)
                return self.instance
            except IntegrityError:
                self.add_error("name", self.name_taken % {"name": self.instance})
        errors = self.errors.items()
        raise InvalidParams({self.names.get(name, name): str(texts[0]) for name, texts in errors})


def save(user: User, form: RowForm[Row]) -> Row:
    """Add the row of a form, or change it. Raises as :meth:`RowForm.store`."""
    did = "add" if form.instance.pk is None else "change"

    @action(f"{form.area}.{did}")
    def store(user: Any, row: Row) -> Done[Row]:
        row = form.store()
        return Done(row, f"{form.area} {row.pk}", **form.detail())

    return store(user, form.instance)


def mark(user: User, form: type[RowForm[Row]], row: Row, *, is_removed: bool) -> None:
    """Remove a row, or restore it. Raises ``LaunchError``: another row has its name now."""

    @action(f"{form.area}.change")
    def change(user: Any, row: Row) -> Done[None]:
        rows = type(row)._default_manager.filter(pk=row.pk, removed_at__isnull=is_removed)
        try:
            with transaction.atomic():
                is_done = rows.update(removed_at=now() if is_removed else None)
        except IntegrityError:
            raise LaunchError(str(form.name_taken % {"name": row}), "name") from None
        did = "delete" if is_removed else "undo"
        return Done(None, f"{form.area} {row.pk}" if is_done else "", name=str(row), did=did)

    change(user, row)


# Highest limit of a unit, a day: longer ones are mistakes.
_HIGHEST = {"ms": 86_400_000.0, "s": 86_400.0}
_TITLES = {"ttft": "TTFT", "tpot": "TPOT", "latency": gettext_lazy("End-to-end latency")}
_EXAMPLES = {"ttft": "450", "tpot": "40", "latency": "30"}
_ABOVE_0 = gettext_lazy("Enter a number above 0, such as 450.")
_PER_CENT = gettext_lazy("Enter a percentage from 1 to 100, or nothing.")


class _Number(forms.FloatField):
    """A number, or nothing, in a field for any text."""

    widget = forms.TextInput(attrs={"inputmode": "decimal"})


class LevelForm(RowForm[ServiceLevel]):
    """A service level: for each family a limit and its percentile, and goodput in per cent."""

    area, most = "level", 100
    too_many = gettext_lazy("There are %(most)s service levels. Remove some first.")
    name_taken = gettext_lazy("Another service level has this name. Choose another.")

    goodput = _Number(
        required=False,
        label=gettext_lazy("Requests within all limits, %"),
        help_text=gettext_lazy(
            "Optional: least share of requests within all limits at once. Needs single requests in "
            "the tool's output."
        ),
        error_messages={"invalid": _PER_CENT},
    )

    class Meta:
        model = ServiceLevel
        fields = ("name", "note")
        field_classes: ClassVar = {"name": Line, "note": Line}
        labels: ClassVar = {"name": gettext_lazy("Name"), "note": gettext_lazy("Note")}
        help_texts: ClassVar = {"note": gettext_lazy("Optional: purpose, or who agreed on it.")}
        error_messages: ClassVar = {"name": {"required": gettext_lazy("Enter a name.")}}

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        row = self.instance
        self.initial["goodput"] = "" if row.goodput is None else f"{100 * row.goodput:g}"
        stored = {name.split("_")[0]: (name, limit) for name, limit in level_of(row).limits.items()}
        for family, unit in FAMILIES.items():
            name, limit = stored.get(family, (f"{family}_p90_", None))
            hint = _("Empty for no limit; for example %(example)s %(unit)s.") % {
                "example": _EXAMPLES[family],
                "unit": unit,
            }
            messages = {"invalid": _ABOVE_0}
            field = _Number(required=False, help_text=hint, error_messages=messages)
            share = forms.CharField(required=False, initial=name.split("_")[1])
            self.fields |= {family: field, f"{family}_share": share}
            self.initial[family] = "" if limit is None else f"{limit:g}"
            self.style(family, field)

    def families(self) -> list[dict[str, Any]]:
        """Return title, unit, limit and percentile of each family, as the template shows them."""
        return [
            {
                "title": _TITLES[family],
                "unit": unit,
                "limit": self[family],
                "share": self[f"{family}_share"],
                "shares": STATISTICS,
            }
            for family, unit in FAMILIES.items()
        ]

    def in_use(self) -> Any:
        """Without hidden included levels."""
        return super().in_use().filter(key="")

    def clean(self) -> None:
        super().clean()
        given, limits = self.cleaned_data, {}
        for family, unit in FAMILIES.items():
            value, share = given.get(family), given.get(f"{family}_share", "")
            if value is None:
                continue
            if share not in STATISTICS:
                self.add_error(family, _("Choose the percentile."))
            elif not 0 < value <= _HIGHEST[unit]:
                self.add_error(family, _ABOVE_0)
            limits[f"{family}_{share}_{unit}"] = value
        first = next(iter(FAMILIES))
        if not limits and not self.errors.keys() & FAMILIES.keys():
            self.add_error(first, _("Enter at least one limit."))
        goodput = given.get("goodput")
        if goodput is not None and not 0 < goodput <= 100:
            self.add_error("goodput", _PER_CENT)
        self.instance.limits = limits
        self.instance.goodput = None if goodput is None else goodput / 100


@action("level.hide")
def hide_level(user: Any, key: str, *, hidden: bool) -> Done[bool]:
    """Hide or show an included level for everyone. False: unknown."""
    if key not in INCLUDED:
        return Done(False)
    moment = now() if hidden else None
    defaults = {"name": key, "removed_at": moment, "created_by_id": user.pk}
    ServiceLevel.objects.update_or_create(key=key, defaults=defaults)
    return Done(True, f"level {key}", did="hide" if hidden else "show")


# A plan carries its prompts, and each run of a matrix has a plan.
MOST_BYTES = 512 * 1024
MOST_PROMPTS = 2000
_KEY = "prompt"
# Keys that tools read as the output length, which is a field of the form here.
_REFUSED = ("output_tokens", "max_tokens")
_UNFIT = re.compile("[\x00\ud800-\udfff]")
# Names that fields of benchmarks use.
_TAKEN = frozenset(("random", "sonnet", "sharegpt", "custom", *PROMPT_SETS))


class PromptForm(RowForm[PromptSet]):
    """A prompt set, from a file of JSON lines."""

    area, most = "prompts", 100
    most_prompts, most_kib = MOST_PROMPTS, MOST_BYTES // 1024
    too_many = gettext_lazy("There are %(most)s prompt sets. Remove some first.")
    name_taken = gettext_lazy("Another prompt set has this name. Choose another.")

    file = forms.FileField(
        allow_empty_file=True,
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".jsonl,.json,.txt,.ndjson"}),
        error_messages={"required": gettext_lazy("Choose a file.")},
    )

    class Meta:
        model = PromptSet
        fields = ("name", "language")
        field_classes: ClassVar = {"name": Line, "language": Line}
        labels: ClassVar = {"name": gettext_lazy("Name"), "language": gettext_lazy("Language")}
        help_texts: ClassVar = {
            "name": gettext_lazy("Forms and results show it."),
            "language": gettext_lazy("Optional."),
        }
        error_messages: ClassVar = {"name": {"required": gettext_lazy("Enter a name.")}}

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name in _TAKEN:
            raise ValidationError(_("An included set has this name. Choose another."))
        return name

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        try:
            prompts = read_prompts(file.name or "", file.read(MOST_BYTES + 1))
        except ValueError as error:
            raise ValidationError(str(error)) from None
        row = self.instance
        row.text = json_lines(prompts)
        row.prompts, row.bytes = len(prompts), len(row.text.encode())
        row.longest = about_tokens(prompts)
        row.sha256 = text_sha256(row.text)
        return file

    def detail(self) -> dict[str, Any]:
        row = self.instance
        return {"name": row.name, "prompts": row.prompts, "sha256": row.sha256}


class _Unfit(ValueError):
    """A wrong line. ``args``: the problem, and its key or ""."""


def read_prompts(file: str, content: bytes) -> list[str]:
    """Return the prompts of JSON lines.
    Raises ``ValueError``: for people; it names the file, the first wrong line and its key."""
    file = file[:100] or _KEY
    if len(content) > MOST_BYTES:
        text = _("%(file)s has more than %(most)d KiB. Upload fewer or shorter prompts.")
        raise ValueError(text % {"file": file, "most": MOST_BYTES // 1024})
    prompts: list[str] = []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            prompts.append(_prompt(line))
        except _Unfit as unfit:
            args = {"file": file, "line": number, "error": unfit.args[0], "key": unfit.args[1]}
            text = _("%(file)s, line %(line)d: %(error)s")
            if args["key"]:
                text = _("%(file)s, line %(line)d, key “%(key)s”: %(error)s")
            raise ValueError(text % args) from None
        if len(prompts) > MOST_PROMPTS:
            text = _("%(file)s, line %(line)d: more than %(most)d prompts. Upload fewer.")
            raise ValueError(text % {"file": file, "line": number, "most": MOST_PROMPTS})
    if not prompts:
        text = _("%(file)s has no prompts. Write one JSON object a line: %(example)s")
        raise ValueError(text % {"file": file, "example": '{"prompt": "…"}'})
    return prompts


def _prompt(line: bytes) -> str:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise _Unfit(_("not UTF-8. Save the file as UTF-8."), "") from None
    except (ValueError, RecursionError):
        raise _Unfit(_("no JSON. Write one object a line."), "") from None
    if not isinstance(row, dict):
        raise _Unfit(_("no JSON object."), "")
    for key in _REFUSED:
        if key in row:
            raise _Unfit(_("not used here. Remove it: the form sets lengths."), key)
    prompt = row.get(_KEY)
    if _KEY not in row:
        raise _Unfit(_("missing."), _KEY)
    if not isinstance(prompt, str):
        raise _Unfit(_("no text. Write it in quotation marks."), _KEY)
    if not prompt.strip():
        raise _Unfit(_("empty."), _KEY)
    if _UNFIT.search(prompt):
        raise _Unfit(_("has a zero byte or half a character."), _KEY)
    return prompt
