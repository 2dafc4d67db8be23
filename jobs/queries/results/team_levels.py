"""Service levels to choose from: included ones, and those of the team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.base.numbers import number_from
from jobs.models import ServiceLevel
from jobs.queries.results.levels import METRICS, Level


@dataclass(frozen=True, slots=True)
class Included:
    """Level that comes with the dashboard. ``source``: where its limits are published."""

    key: str
    name: str | Promise
    limits: Mapping[str, float]
    source: str


# Limits of MLPerf Inference, the only published ones that several vendors accept: 99th percentiles
# of the scenarios Server and Interactive. Source: "MLPerf Inference Rules", inference_rules.adoc of
# github.com/mlcommons/inference_policies at ac93e89 (2026-07-23), table of the datacenter suite.
# Added there by 5b9b5a8 (2024-01-04, v4.0: Llama 2 70B Server, today the category Conversational),
# d56a219 (2025-01-08, v5.0: its Interactive), dff5f51 (2025-06-18, v5.1: DeepSeek-R1 Server) and
# b1b375d (2026-02-02, v6.0: DeepSeek-R1 Interactive).
INCLUDED: Mapping[str, Included] = {
    one.key: one
    for one in (
        Included(
            "mlperf-chat",
            _("MLPerf chat"),
            {"ttft_p99_ms": 2000.0, "tpot_p99_ms": 200.0},
            "MLPerf Inference 4.0, Llama 2 70B, Server",
        ),
        Included(
            "mlperf-interactive",
            _("MLPerf interactive chat"),
            {"ttft_p99_ms": 450.0, "tpot_p99_ms": 40.0},
            "MLPerf Inference 5.0, Llama 2 70B, Interactive",
        ),
        Included(
            "mlperf-reasoning-server",
            _("MLPerf reasoning"),
            {"ttft_p99_ms": 2000.0, "tpot_p99_ms": 80.0},
            "MLPerf Inference 5.1, DeepSeek-R1, Server",
        ),
        Included(
            "mlperf-reasoning",
            _("MLPerf interactive reasoning"),
            {"ttft_p99_ms": 1500.0, "tpot_p99_ms": 15.0},
            "MLPerf Inference 6.0, DeepSeek-R1, Interactive",
        ),
    )
}


@dataclass(frozen=True, slots=True)
class TeamLevels:
    """All levels. ``hidden``: keys of hidden included ones."""

    own: list[ServiceLevel]
    hidden: frozenset[str]

    def options(self) -> list[tuple[str, Level]]:
        """Return the levels that are not hidden, by the key that addresses have."""
        included = [
            (key, Level(str(one.name), one.limits))
            for key, one in INCLUDED.items()
            if key not in self.hidden
        ]
        return [*included, *((str(row.pk), level_of(row)) for row in self.own)]


def team_levels() -> TeamLevels:
    """Return all levels that are not removed."""
    rows = list(ServiceLevel.objects.select_related("created_by"))
    hidden = frozenset(row.key for row in rows if row.key and row.removed_at)
    return TeamLevels([row for row in rows if not row.key and not row.removed_at], hidden)


def own_level(level_id: int) -> ServiceLevel | None:
    """Return a level of the team, also a removed one; None: unknown."""
    return ServiceLevel.objects.filter(pk=level_id, key="").first()


def find(key: str) -> Level | None:
    """Return the level of an address; None: unknown, removed or hidden."""
    if key in INCLUDED:
        is_hidden = ServiceLevel.objects.filter(key=key, removed_at__isnull=False).exists()
        return None if is_hidden else Level(str(INCLUDED[key].name), INCLUDED[key].limits)
    number = number_from(key)
    row = own_level(number) if number is not None else None
    return level_of(row) if row is not None and row.removed_at is None else None


def level_of(row: ServiceLevel) -> Level:
    """Return a stored level; limits of metrics that are no longer known are left out."""
    limits = {name: float(row.limits[name]) for name in METRICS if name in row.limits}
    return Level(row.name, limits, row.goodput)
