"""Order of results, the one that stands for a model first."""

from __future__ import annotations

from django.db.models import (
    BooleanField,
    Case,
    F,
    FloatField,
    OrderBy,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Greatest

from jobs.models import Baseline, Result, SignOff
from jobs.queries.results.repeats import first_of_each

# Requests of all points, of a single point, or questions.
_SAMPLES = ("requests_all", "requests", "questions")


def best_first(rows: QuerySet[Result]) -> QuerySet[Result]:
    """Return ``rows``, what stands for them first.

    1. A real result, then a simulated one.
    2. A sign-off or a current baseline.
    3. A run that counts: neither disturbed nor incomplete nor of a loaded host.
    4. Of sign-offs and baselines the latest choice; of others the most requests or questions.
    5. The newest.

    Evaluations that stopped early are left out: the answers chose which questions they cover.
    """
    return _rated(rows).order_by(*ORDER)


def first_of(rows: QuerySet[Result], parts: tuple[str, ...]) -> list[int]:
    """Return the ids of what stands for each combination of ``parts``."""
    ranked = first_of_each(_rated(rows).order_by(), parts, ORDER, 1)
    return list(ranked.values_list("pk", flat=True))


ORDER: tuple[OrderBy, ...] = (
    F("simulated").asc(),
    F("is_chosen").desc(),
    F("is_counted").desc(),
    F("chosen_at").desc(nulls_last=True),
    F("sample").desc(),
    F("created_at").desc(),
    F("pk").desc(),
)


def _rated(rows: QuerySet[Result]) -> QuerySet[Result]:
    """Add the terms of ``ORDER``; leave out what stopped early."""
    own = {"result": OuterRef("pk")}
    choices = (
        SignOff.objects.filter(withdrawn_at=None, **own),
        Baseline.objects.filter(ended_at=None, **own),
    )
    signed, base = (
        Subquery(rows.order_by("-created_at").values("created_at")[:1]) for rows in choices
    )
    planned, asked = (_number(name) for name in ("planned_questions", "questions"))
    sample = Coalesce(*map(_number, _SAMPLES), Value(0.0))
    rated = rows.annotate(planned=planned, asked_of_them=asked).filter(
        Q(planned=None) | Q(planned__lte=F("asked_of_them"))
    )
    return rated.annotate(
        # The later of both, where there are both: a database may not compare with NULL.
        chosen_at=Coalesce(Greatest(signed, base), signed, base),
        is_chosen=_true_where(Q(chosen_at__isnull=False)),
        is_counted=_true_where(Result.COUNTED),
        sample=Case(When(is_chosen=True, then=Value(0.0)), default=sample),
    )


def _number(metric: str) -> Cast:
    return Cast(KT(f"metrics__{metric}"), FloatField())


def _true_where(condition: Q) -> Case:
    return Case(When(condition, then=True), default=False, output_field=BooleanField())
