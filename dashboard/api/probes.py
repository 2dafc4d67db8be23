"""The public API of greedy probes: shares with intervals, and the prompts that differ."""

from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from pydantic import BaseModel, Field

from dashboard.api.base import Answer, Json, Offset, Operations, one_of
from dashboard.api.errors import Refused, missing
from dashboard.pages.jobs.probe_card import json_of
from dashboard.server.json_errors import gone
from jobs.models import Job
from jobs.tools.greedy_probe.commands import KIND

operations = Operations("Jobs")
PAGE = 50  # prompts


class ProbeAsked(BaseModel):
    """Prompts to return, a page of them."""

    show: Literal["different", "equal", "failed", "all"] = Field(
        "different", description="state of the prompts"
    )
    after: Offset = Field(None, description="“next” of the page before")


class ProbeShare(Answer):
    """Share from 0 to 1, with its 95 % interval (Wilson)."""

    count: int
    total: int
    value: float
    low: float
    high: float


class ProbeEngine(Answer):
    """One of the two engines."""

    side: str = Field(description="deployment or reference")
    name: str = Field(description="empty: its record is gone")
    repeated: ProbeShare | None = Field(
        description="second answers equal to the first; null: none was asked"
    )


class ProbeGaps(Answer):
    """Absolute differences of both engines' log-probabilities, over equal tokens."""

    median: float
    p90: float
    tokens: int


class ProbeSide(Answer):
    """Answer of one engine to one prompt."""

    answer: str = Field(description="reasoning and text")
    error: str = Field(description="why there is no answer, or empty")
    finish: str
    repeated: bool | None = Field(description="null: not asked twice")
    margin: float | None = Field(
        description="log-probability by which it preferred its own first different token"
    )


class ProbePrompt(Answer):
    """One prompt with both answers."""

    number: int = Field(description="from 1")
    prompt: str
    state: Annotated[str, one_of(["different", "equal", "failed"])]
    first_different_token: int | None = Field(description="from 1; null: equal, or no tokens")
    first_different_character: int | None = Field(description="from 1; null: not different")
    logprob_gap_median: float | None
    deployment: ProbeSide
    reference: ProbeSide


class ProbeAnswer(Answer):
    """Comparison of two engines at temperature 0."""

    job: int
    text: str = Field(description="verdict as text")
    remarks: list[str]
    prompts: int
    compared: int = Field(description="prompts that both engines answered")
    equal: ProbeShare | None = Field(description="null: nothing was compared")
    engines: list[ProbeEngine]
    first_different_token_median: float | None
    logprob_gap: ProbeGaps | None
    pairs: list[ProbePrompt]
    next: int | None = Field(description="“after” of the next page; null: this is the last")


@operations.on(
    "GET jobs/{int:job_id}/probe", "job.view", ProbeAnswer, 410, 503, name="api-job-probe"
)
def read_probe(request: HttpRequest, job_id: int, query: Query[ProbeAsked]) -> Json:
    """Read a greedy probe. Shares of equal answers, and prompts in one state with both answers, 50
    a page."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id, kind=KIND)
    if job.removed_at is not None:
        raise Refused(gone(job))
    answer = json_of(job, query.show, query.after or 0, PAGE)
    if answer is None:
        raise missing()
    return answer
