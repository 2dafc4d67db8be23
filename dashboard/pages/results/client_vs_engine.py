"""Client against engine in words, with a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.formatting import change_text, measured, number
from jobs.models import Result
from jobs.queries.results.client_vs_engine import Side, TwoSides, judged, side_of
from jobs.queries.results.curve import CurvePoint, warm_ups_of

_OTHERS = "result:other_clients"


@dataclass(frozen=True, slots=True)
class SidesRow:
    """Concurrency of the table; "" where not reported."""

    concurrency: int
    tokens: tuple[str, str, str]  # client, engine, difference
    ttft: tuple[str, str, str]
    queue: tuple[str, str]
    side: Side


@dataclass(frozen=True, slots=True)
class SidesTable:
    """``texts``: findings, each with True where it needs attention."""

    texts: Sequence[tuple[str, bool]]
    rows: Sequence[SidesRow]
    has_ttft: bool
    has_queue: bool


def sides_table(
    points: Sequence[CurvePoint], result: Result, results: Mapping[int, Result] | None = None
) -> SidesTable | None:
    """Return client against engine; None where the engine reported nothing.

    ``results``: concurrency → the result of the point's first run, where it is not ``result``.
    """
    known, sides = results or {}, []
    for point in points:
        own = known.get(point.concurrency, result)
        has_others = any(remark.get("id") == _OTHERS for remark in own.remarks)
        sides.append(side_of(point, warm_ups_of(own), has_others=has_others))
    found = judged(sides)
    if found is None:
        return None
    rows = [_row(side) for side in found.sides]
    return SidesTable(
        [*_token_texts(found), *_delay_texts(found)],
        rows,
        has_ttft=any(any(row.ttft) for row in rows),
        has_queue=any(any(row.queue) for row in rows),
    )


def _row(side: Side) -> SidesRow:
    share, delay = side.tokens_share, side.delay_ms
    tokens = [
        "" if value is None else number(round(value))
        for value in (side.client_tokens, side.engine_tokens)
    ]
    times = (side.client_ttft_ms, side.engine_ttft_ms, side.client_queue_ms, side.engine_queue_ms)
    ms = ["" if value is None else measured(value) for value in times]
    return SidesRow(
        side.concurrency,
        (tokens[0], tokens[1], "" if share is None else change_text(share)),
        (ms[0], ms[1], "" if delay is None else number(float(delay), signed=True)),
        (ms[2], ms[3]),
        side,
    )


def _token_texts(found: TwoSides) -> list[tuple[str, bool]]:
    by_verdict: dict[tuple[str, int], list[Side]] = {}
    for side in found.sides:
        extra = (side.extra or 0) if side.tokens == "warm_up" else 0
        by_verdict.setdefault((side.tokens, extra), []).append(side)
    return [
        (text, verdict == "differ")
        for (verdict, _extra), sides in by_verdict.items()
        if (text := _token_text(verdict, sides))
    ]


def _token_text(verdict: str, sides: Sequence[Side]) -> str:
    at = _(", ").join(str(side.concurrency) for side in sides)
    shares = [side.tokens_share for side in sides if side.tokens_share is not None]
    widest = max(shares, key=abs, default=0.0)
    if verdict == "warm_up":
        extra = max(side.extra or 0 for side in sides)
        text = ngettext(
            "Concurrency %(at)s: the engine also counts %(n)s warm-up request.",
            "Concurrency %(at)s: the engine also counts %(n)s warm-up requests.",
            extra,
        )
        return text % {"at": at, "n": number(extra)}
    texts = {
        "agree": _("Concurrency %(at)s: output tokens agree within 3 %%."),
        "failed": _("Concurrency %(at)s: the engine also counts tokens of failed requests."),
        "others": _("Concurrency %(at)s: other clients used the engine meanwhile."),
        "short": _("Concurrency %(at)s: too short to compare, the last readings are missing."),
        "differ": _(
            "Concurrency %(at)s: output tokens differ by %(share)s without a known cause. Check "
            "the client's tokenizer."
        ),
    }
    return texts[verdict] % {"at": at, "share": change_text(widest)} if verdict in texts else ""


def _delay_texts(found: TwoSides) -> list[tuple[str, bool]]:
    if found.delay_ms is None:
        return []
    args = {"ms": measured(abs(found.delay_ms))}
    texts = {
        "near": _("TTFT differs by %(ms)s ms: HTTP, tokenizer and network."),
        "constant": _(
            "TTFT is %(ms)s ms longer for the client, at every concurrency. Check the proxy and "
            "the network."
        ),
        "grows": _(
            "TTFT is %(ms)s ms longer for the client, not steadily. Client, proxy or API server "
            "may be overloaded."
        ),
        "once": _("TTFT is %(ms)s ms longer for the client. Check the proxy and the network."),
        "less": _("TTFT is %(ms)s ms shorter for the client: it may count an empty first chunk."),
    }
    return [(texts[found.delay] % args, found.delay != "near")]
