"""Benchmark with EvalScope: its figures."""

from __future__ import annotations

from dataclasses import replace

from jobs.base.messages import Message
from jobs.metrics.measured import Outcome
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.evalscope import perf_parser
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.ended import Ended


def outcome(ended: Ended) -> Outcome:
    """A point per concurrency; the headline is the one with the highest output rate. Requests
    are counted over all points.
    """
    points = perf_parser.parse(ended.outputs)
    windows = ended.outputs.get(evalscope.WINDOWS, b"")
    began, warm_ups = perf_parser.began(windows), perf_parser.warm_ups(windows)
    found = over_http_reading.measured(ended, points, began, warm_ups=warm_ups)
    if found.measured and any(evalscope.BARE in step.argv for step in ended.plan.steps):
        remarks = [*found.measured.remarks, Message("benchmark:bare_stream")]
        found = replace(found, measured=replace(found.measured, remarks=remarks))
    return found
