"""Options of a whole pipeline."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog.evaluations import EVALUATION_PRESETS
from jobs.kinds.lib import listen, ports
from jobs.tools.vacc.datasets import DATASETS

BOTH = "both"
PRECISIONS = ("int8", "fp16", BOTH)
CALIBRATIONS = tuple(item.name for item in DATASETS.values() if item.calibrates)
# Without those of matrices only: repeats for hours, published limits, lengths of one's own.
WORKLOAD_IDS = ("", "quick-look", "customer-report", "saturation")
EVALUATION_IDS = ("", *(name for name in EVALUATION_PRESETS if name != "own"))
_MOST_LEVELS, _MOST_REQUESTS = 12, 1024
_ADDRESS = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")


@dataclass(frozen=True, slots=True)
class Options:
    """``as_in_guide``: guide verbatim. ``precision``: compiled precision, "both" for one server of
    each. ``calibration``: data set for int8. ``concurrency`` of HTTP benchmarks; empty: each
    kind's default. ``workload``, ``evaluation``: presets of the catalogue; "": the defaults of the
    forms. ``bind``: listen address in verbatim mode, in place of the guide's. ``port`` of
    the server: 0 for a free one at launch; in verbatim mode the guide's.
    """

    as_in_guide: bool = False
    precision: str = PRECISIONS[0]
    calibration: str = CALIBRATIONS[0]
    concurrency: tuple[int, ...] = ()
    bind: str = ""
    port: int = 0
    workload: str = ""
    evaluation: str = ""

    @property
    def precisions(self) -> tuple[str, ...]:
        """Return compiled precisions, in the order of deployment."""
        return ("fp16", "int8") if self.precision == BOTH else (self.precision,)


def read_options(data: Mapping[str, str], offered: Collection[str]) -> Options:
    """Read options from a form or address; those not ``offered`` keep their defaults.

    Raises:
        LaunchError: an option is invalid; its ``field`` is the option.
    """
    given = {
        item.name: str(data.get(item.name, "")).strip()
        for item in fields(Options)
        if item.name in offered
    }
    return Options(
        as_in_guide=given.get("as_in_guide", "") in ("1", "true", "on"),
        precision=_one_of(given, "precision", PRECISIONS),
        calibration=_one_of(given, "calibration", CALIBRATIONS),
        concurrency=_numbers(given.get("concurrency", "")),
        bind=_address(given.get("bind", "")),
        port=_port(given.get("port", "")),
        workload=_one_of(given, "workload", WORKLOAD_IDS),
        evaluation=_one_of(given, "evaluation", EVALUATION_IDS),
    )


def _one_of(given: Mapping[str, str], name: str, known: Collection[str]) -> str:
    value = given.get(name, "")
    if value and value not in known:
        message = _("Choose one of %(expected)s.") % {"expected": ", ".join(known)}
        raise LaunchError(message, name)
    return value or next(iter(known))


def _numbers(text: str) -> tuple[int, ...]:
    parts = re.split(r"[\s,，、]+", text) if text else []
    numbers = [
        int(word) for word in parts if word.isascii() and word.isdecimal() and len(word) <= 4
    ]
    is_right = len(numbers) == len(parts) and all(
        1 <= number <= _MOST_REQUESTS for number in numbers
    )
    if not is_right or len(numbers) > _MOST_LEVELS:
        limits = {"most": _MOST_REQUESTS, "count": _MOST_LEVELS}
        message = _(
            "Enter at most %(count)d whole numbers from 1 to %(most)d, separated by "
            "commas: 1, 4, 16."
        )
        raise LaunchError(message % limits, "concurrency")
    return tuple(dict.fromkeys(numbers))


def _address(text: str) -> str:
    if text and not _ADDRESS.fullmatch(text):
        raise LaunchError(_("Enter an IPv4 address of the host, such as 192.0.2.10."), "bind")
    listen.refuse(text)
    return text


def _port(text: str) -> int:
    if not text:
        return 0
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else -1
    if number and not ports.FIRST <= number <= ports.LAST:
        message = _("Enter a port from %(first)d to %(last)d. Empty: a free port at launch.")
        raise LaunchError(message % {"first": ports.FIRST, "last": ports.LAST}, "port")
    return number
