"""Readings of benchmarks over HTTP: a point per concurrency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobs.base.messages import Message
from jobs.metrics.measured import RequestTimes
from jobs.tools.importing.base import Reading, Refused
from jobs.tools.outputs import over_http_reading


@dataclass(frozen=True, slots=True)
class Run:
    """Measurement at one concurrency: see ``jobs.tools.outputs.over_http_reading.Point``."""

    concurrency: int
    completed: int
    failed: int
    metrics: Mapping[str, float]
    left_out: Sequence[Message] = ()
    requests: Sequence[RequestTimes] = ()


def reading(
    tool: str,
    version: str,
    runs: Sequence[Run],
    *,
    what: str,
    model: str,
    sources: tuple[str, ...],
    remarks: Sequence[Message] = (),
    **more: Any,
) -> Reading:
    """Return the reading of ``runs``; ``more`` are other fields of it. An empty ``what`` is the
    number of requests.

    Raises:
        Refused: half or more of the requests failed, or none had a token.
    """
    failed, total = sum(run.failed for run in runs), sum(r.completed + r.failed for r in runs)
    if failed < total <= 2 * failed:
        raise Refused(Message("import:mostly_failed", {"failed": failed, "total": total}))
    runs = sorted(runs, key=lambda run: run.concurrency)
    sent = [run.completed + run.failed for run in runs]
    outcome = over_http_reading.outcome(
        runs,
        what=what or _requests(sent),
        tool=f"{tool} {version}".strip(),
        remarks=[
            *remarks,
            *over_http_reading.failed_remarks(runs),
            *over_http_reading.few_remark(min(sent, default=0)),
        ],
        requests={run.concurrency: run.requests for run in runs if run.requests},
        keeps_failed=False,
        may_have_no_tokens=any(run.left_out for run in runs),
    )
    if outcome.failure is not None or outcome.measured is None:
        raise Refused(outcome.failure or Message("benchmark:no_token"))
    return Reading(tool, version, model, outcome.measured, sources, **more)


def _requests(sent: Sequence[int]) -> str:
    """ "20 requests", or "20–80 requests" over several concurrencies."""
    least, most = min(sent), max(sent)
    return f"{least} requests" if least == most else f"{least}–{most} requests"
