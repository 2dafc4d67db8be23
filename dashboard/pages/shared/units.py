"""Unit of an output rate by choice: of the whole engine, or per die, card, server or watt."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.utils.translation import gettext as _

from dashboard.security.request import keep_choice
from dashboard.text.labels import metric_text, names_text, result_name
from jobs.metrics import UNITS, Unit, rate_in
from jobs.models import Result
from jobs.queries.results.provenance import counts, with_rates

PER = "per"  # parameter of an address
CHOSEN = "unit"  # parameter of the menu, and cookie of the last choice
View = Callable[..., HttpResponseBase]


class ChosenUnit(NamedTuple):
    """The chosen unit. ``missing``: why some results have no rate in it. ``default``: that of an
    address without one."""

    unit: Unit
    is_offered: bool
    missing: str = ""
    default: Unit = "total"

    @property
    def rate(self) -> str:
        return rate_in(self.unit)

    @property
    def word(self) -> str:
        return word(self.unit)

    @property
    def options(self) -> list[tuple[Unit, str, bool]]:
        """Unit, word, and True for the chosen one."""
        return [(one, word(one), one == self.unit) for one in UNITS]

    @property
    def query(self) -> dict[str, str]:
        return {} if self.unit == self.default else {PER: self.unit}


def asked(text: str) -> Unit | None:
    """Return the unit that an address asks for; None: none that is known."""
    return next((one for one in UNITS if one == text), None)


def with_unit(view: View, *, default: Unit | None = "total") -> View:
    """Keep a unit that is chosen from the menu, and put the kept one into an address without a unit
    that a person comes to from another page: an address always says what its numbers are.
    ``default``: that of an address without a unit; None: it depends on what the page shows."""

    @wraps(view)
    def shown(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        unit = chosen = asked(request.GET.get(CHOSEN, ""))
        if not chosen and PER not in request.GET and _comes_from_another_page(request):
            unit = asked(request.COOKIES.get(CHOSEN, ""))
        if unit is None or (unit == default and not chosen):
            return view(request, *args, **kwargs)
        query = request.GET.copy()
        query.pop(CHOSEN, None)
        query[PER] = unit
        answer = HttpResponseRedirect(f"?{query.urlencode(safe=',')}")
        if chosen:
            keep_choice(answer, CHOSEN, chosen)
        return answer

    return shown


def _comes_from_another_page(request: HttpRequest) -> bool:
    """Return True for a link on another page of the dashboard. An address from elsewhere stays as
    it is shared; links and updates of a page keep the unit of this page."""
    before = urlsplit(request.headers.get("Referer", ""))
    return before.netloc == request.get_host() and before.path != request.path


def choice(per: str, results: Iterable[Result], *, default: Unit = "total") -> ChosenUnit:
    """Return the unit that an address asks for, else the total. ``results``: what a page shows."""
    unit = asked(per) or "total"
    rows = list(results)
    offered = unit != "total" or any(
        "card" in counts(row) or "power_mean_w" in row.metrics for row in rows
    )
    return ChosenUnit(unit, offered, why_missing(unit, rows), default)


def word(unit: Unit) -> str:
    return metric_text(rate_in(unit), 0.5)[1]


def why_missing(unit: Unit, results: Iterable[Result]) -> str:
    """Return which results have no output rate in a unit, and why; "" if all have."""
    found: dict[str, list[str]] = {}
    for row in results:
        known = with_rates(row.metrics, counts(row))
        if rate_in("total") in known and rate_in(unit) not in known:
            found.setdefault(_why(unit, row), []).append(result_name(row))
    texts = [f"{names_text(names)}{_(': ')}{why}" for why, names in found.items()]
    args = {"unit": word(unit), "why": _("; ").join(texts)}
    return _("No value in %(unit)s (%(why)s).") % args if texts else ""


def _why(unit: Unit, result: Result) -> str:
    if unit == "watt":
        return _("power was not measured")
    if unit == "card":
        return _("number of cards unknown") if result.is_external else _("host without cards")
    if unit == "die" and not result.is_external:
        return _("host without dies")
    return _("number of dies unknown") if unit == "die" else _("number of servers unknown")
