"""Service levels: their form, and hiding of included ones."""

from typing import Any, ClassVar

from django import forms
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.action import Done, action
from dashboard.actions.rows import Line, RowForm
from jobs.models import ServiceLevel
from jobs.queries.results.levels import FAMILIES, INCLUDED, STATISTICS, level_of

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
            self.fields[family] = field
            self.initial[family] = "" if limit is None else f"{limit:g}"
            share = f"{family}_share"
            self.fields[share] = forms.CharField(required=False, initial=name.split("_")[1])
            self.style(family, field)

    def families(self) -> list[dict[str, Any]]:
        """Return title, unit, limit and percentile of each family, for the template."""
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
def hide(user: Any, key: str, *, hidden: bool) -> Done[bool]:
    """Hide or show an included level for everyone. False: unknown."""
    if key not in INCLUDED:
        return Done(False)
    moment = now() if hidden else None
    defaults = {"name": key, "removed_at": moment, "created_by_id": user.pk}
    ServiceLevel.objects.update_or_create(key=key, defaults=defaults)
    return Done(True, f"level {key}", did="hide" if hidden else "show")
