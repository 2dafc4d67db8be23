"""Service levels: those of the team, and the included ones."""

from collections.abc import Mapping
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _
from pydantic import Field, StrictBool

from dashboard.actions import rows
from dashboard.actions.rows import LevelForm
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Created,
    Json,
    Operations,
    about,
    read,
)
from dashboard.pages.shared.addresses import or_404
from jobs.launch.launch import InvalidParams
from jobs.models import ServiceLevel
from jobs.queries.results.levels import (
    FAMILIES,
    INCLUDED,
    METRICS,
    level_of,
    own_level,
    team_levels,
)

levels = Operations("Service levels", "levels")
_LIMITS = f"highest values, such as {METRICS[0]}: of {', '.join(FAMILIES)}, one percentile of each"
Limits = Annotated[
    dict[str, Annotated[float, Field(strict=True)]],
    Field(max_length=len(METRICS), description=_LIMITS),
]
Percent = Annotated[float, Field(strict=True)]
_GOODPUT = "least share of requests within all limits, from 1 to 100"


class LevelAsked(Asked):
    """A service level of the team."""

    name: str
    note: str = ""
    limits: Limits
    goodput_percent: Percent | None = about(f"{_GOODPUT}; null: any", None)


class LevelChange(LevelAsked):
    """Parts of a service level to change; what is left out stays."""

    name: str = ""
    limits: Limits = Field(default_factory=dict)


class HiddenAsked(Asked):
    """Hide an included level, or show it."""

    hidden: StrictBool


def _percent(row: ServiceLevel) -> float | None:
    return None if row.goodput is None else round(100 * row.goodput, 9)


class LevelAnswer(Created):
    """A service level of the team."""

    id: int
    name: str
    note: str
    limits: dict[str, float] = read(lambda row: dict(level_of(row).limits), _LIMITS)
    goodput_percent: float | None = read(_percent, f"{_GOODPUT}; null: any")
    removed: bool = read(lambda row: row.removed_at is not None)


class IncludedLevelAnswer(ApiAnswer):
    """A service level that comes with the dashboard."""

    key: str
    name: str = read("name", then=str)
    limits: dict[str, float] = read("limits", _LIMITS, then=dict)
    source: str = about("where the limits are published")
    hidden: bool


class LevelsAnswer(ApiAnswer):
    """All service levels in use, and the included ones."""

    levels: list[LevelAnswer]
    included: list[IncludedLevelAnswer]
    next: str | None


@levels.on("GET ", "level.view", "api-levels", LevelsAnswer)
def list_levels(request: HttpRequest) -> Json:
    """List service levels. The team's without removed ones, then the included ones."""
    known = team_levels()
    included = [
        IncludedLevelAnswer.of(one, hidden=one.key in known.hidden) for one in INCLUDED.values()
    ]
    return {
        "levels": [LevelAnswer.of(row) for row in known.own],
        "included": included,
        "next": None,
    }


@levels.on("POST ", "level.add", "api-levels", LevelAnswer, 201, 413, 422)
def add_level(request: HttpRequest, asked: LevelAsked) -> Json:
    """Add a service level. Limits of latencies for everyone, to judge results by."""
    return _saved(request, asked.model_dump(), None)


@levels.on("GET /{int:level_id}", "level.view", "api-level", LevelAnswer)
def read_level(request: HttpRequest, level_id: int) -> Json:
    """Read a service level. A level of the team, also a removed one."""
    return LevelAnswer.of(or_404(own_level, level_id))


@levels.on("PATCH /{int:level_id}", "level.change", "api-level", LevelAnswer, 413, 422)
def change_level(request: HttpRequest, level_id: int, asked: LevelChange) -> Json:
    """Change a service level. Own levels; administrators: any. Limits are replaced as a whole."""
    row = or_404(own_level, level_id)
    if row.removed_at is not None:
        raise Http404(level_id)
    return _saved(request, {**LevelAnswer.of(row), **asked.model_dump(exclude_unset=True)}, row)


@levels.on("DELETE /{int:level_id}", "level.change", "api-level", LevelAnswer)
def remove_level(request: HttpRequest, level_id: int) -> Json:
    """Remove a service level. Own levels; administrators: any. It can be restored."""
    rows.mark(request.user, LevelForm, or_404(own_level, level_id), is_removed=True)
    return LevelAnswer.of(or_404(own_level, level_id))


@levels.on("POST /{int:level_id}/restore", "level.change", "api-level-restore", LevelAnswer, 422)
def restore_level(request: HttpRequest, level_id: int) -> Json:
    """Restore a removed service level. Own levels; administrators: any. 422: another level has its
    name now."""
    rows.mark(request.user, LevelForm, or_404(own_level, level_id), is_removed=False)
    return LevelAnswer.of(or_404(own_level, level_id))


@levels.on("PUT /included/{slug:key}", "level.hide", "api-level-included", IncludedLevelAnswer, 413)
def hide_level(request: HttpRequest, key: str, asked: HiddenAsked) -> Json:
    """Hide an included service level, or show it again. For everyone."""
    if not rows.hide_level(request.user, key, hidden=asked.hidden):
        raise Http404(key)
    return IncludedLevelAnswer.of(INCLUDED[key], hidden=key in team_levels().hidden)


def _saved(request: HttpRequest, values: Mapping[str, Any], row: ServiceLevel | None) -> Json:
    """Store the row of ``values``. Raises ``InvalidParams``: with the errors at their fields."""
    typed, names = _typed(values)
    form = LevelForm(typed, instance=row, user=request.user, names=names)
    return LevelAnswer.of(rows.save(request.user, form))


def _typed(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the values of the form, and its fields' names in the body. Raises ``InvalidParams``:
    an unknown limit, or two of one family."""
    goodput = values["goodput_percent"]
    typed = {"name": values["name"], "note": values["note"]}
    typed |= {"goodput": "" if goodput is None else goodput}
    names = {"goodput": "goodput_percent", **dict.fromkeys(FAMILIES, "limits")}
    for metric, limit in values["limits"].items():
        if metric not in METRICS:
            text = _("Unknown. Known names: %(names)s.") % {"names": ", ".join(METRICS)}
            raise InvalidParams({f"limits.{metric[:100]}": text})
        family, statistic, _unit = metric.split("_")
        if family in typed:
            raise InvalidParams({f"limits.{metric}": _("Set only one percentile of each latency.")})
        typed |= {family: limit, f"{family}_share": statistic}
        names |= {family: f"limits.{metric}"}
    return typed, names
