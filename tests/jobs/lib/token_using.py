"""Evaluations whose answers took a known number of tokens."""

from collections.abc import Sequence
from typing import Any

from jobs.models import Answer, Result
from jobs.services.outcomes import answer_rows
from tests.factories import make_measured

# Tokens, characters of reasoning and of answer, score, other fields.
Row = tuple[int | None, int, int, float, dict[str, Any]]
KNOWN: Sequence[Row] = (
    (10, 0, 40, 1.0, {}),
    (40, 300, 100, 1.0, {}),  # shared 30 : 10 by length
    (100, 300, 0, 0.0, {"finish": "length"}),
    (50, 100, 100, 0.0, {"reasoning_tokens": 20}),
    (None, 0, 40, 1.0, {}),  # the tool reports no tokens
    (20, 0, 80, 0.0, {"status": "unscored"}),
)


def make_used(rows: Sequence[Row] = KNOWN, *, limit: int | None = 100, **fields: Any) -> Result:
    """An evaluation with these answers and the limit of output tokens."""
    asked = {} if limit is None else {"output_tokens": limit}
    result = make_measured(scores=[row[3] for row in rows], asked=asked, **fields)
    for answer, row in zip(Answer.objects.filter(result=result), rows, strict=True):
        tokens, reasoning, said, _score, more = row
        answer.reasoning, answer.answer = "r" * reasoning, "a" * said
        for name in ("finish", "status", "question", "question_id", "sample"):
            setattr(answer, name, more.get(name, getattr(answer, name)))
        told = ("reasoning_tokens", "ttft_s", "latency_s")
        answer.detail |= {name: more[name] for name in told if name in more}
        answer.detail |= {} if tokens is None else {"output_tokens": tokens}
        answer.save()
    answer_rows.keep(result)
    return result
