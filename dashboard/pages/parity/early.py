"""An evaluation that stops early, with a result as its baseline."""

from __future__ import annotations

from urllib.parse import urlencode

from django.urls import reverse

from dashboard.pages.parity.asked import runs_of
from dashboard.text.labels import result_name
from jobs.kinds import KINDS
from jobs.kinds.evaluate.evaluate import Evaluate
from jobs.queries.parity.errors import ParityError

_SAME = (
    *("questions", "language", "limit", "question_seed"),
    *("max_tokens", "temperature", "batch", "thinking"),
)


def launch_address(text: str) -> str:
    """Return the launch form that asks the questions of a result, "res-11".

    "" where it is no baseline. The person chooses host and deployment.
    """
    try:
        runs = runs_of(text, "id")
    except ParityError:
        return ""
    job = runs[0].job
    if len(runs) > 1 or job is None or not isinstance(KINDS.get(job.kind), Evaluate):
        return ""
    if job.params.get("samples", 1) != 1:
        return ""
    same = {name: job.params[name] for name in _SAME if job.params.get(name) is not None}
    query = urlencode({**same, "stop_early": 1, "baseline": result_name(runs[0])})
    return f"{reverse('launch-form', args=[Evaluate.name])}?{query}"
