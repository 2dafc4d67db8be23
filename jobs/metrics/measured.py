"""Measured things as typed values: what a reader returns and records store, no bytes of a tool."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import Any, NamedTuple

from jobs.base import grouped
from jobs.base.messages import Message
from jobs.catalog.data_sets import EVALUATION_SETS

# Key of the log's end among a job's outputs, for tools that write no result file.
LOG = "@log"
LOG_BYTES = 1024 * 1024
# Metrics that are a share of the questions and can be averaged.
SHARES = ("accuracy",)
NO_SCORE = ("-", "")  # as OpenCompass prints a failed set
# Progress of a job: ``{"done", "total", "unit"}``.
Progress = dict[str, int | float | str]
# Stored of a point. Of more none is taken, because goodput and intervals of a part would mislead;
# parsers read one more to show that.
MOST_REQUESTS = 10_000


class RequestTimes(NamedTuple):
    """Times of one completed request; None: not reported."""

    ttft_ms: float | None
    tpot_ms: float | None
    latency_s: float | None


# Values of a RequestTimes: a page reads up to 50,000 and needs few by name.
RequestRow = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Requests before the measured ones of a point, and their output tokens, which only the engine
    counts. ``until``: start of the first measured request (seconds since the epoch, host clock);
    None: unknown. Warm-ups may still run then."""

    requests: int
    tokens: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class SetScore:
    """Score of one data set, as reported by the tool. ``value``: per cent where ``metric`` is a
    share of the questions; None without a score. ``version``: hash of its prompt, "" without one.
    Sets of one ``group`` belong together, such as the subjects of MMLU."""

    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    group: str


class LoadAtRate(NamedTuple):
    """Load of a run in a search. ``rate``: requests per second, without a limit of concurrency."""

    concurrency: int = 0
    rate: float | None = None

    @property
    def at(self) -> int | str:
        """Return what a message names as its concurrency."""
        return self.concurrency if self.rate is None else f"∞ ({self.rate:g} req/s)"


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurement of a benchmark or evaluation; becomes a Result with points and answers.

    ``began``: concurrency -> start of its first request (seconds since the epoch, host clock), if
    the tool tells it. ``warm_ups``: concurrency -> what was sent before, and is in no figure.
    ``requests``: concurrency -> its completed requests, if the tool wrote them. In a search of a
    limit, all of these have the number of a run in place of its concurrency; ``loads`` has its
    load, and ``search`` what was asked and why it ended.
    """

    type: str
    what: str
    tool: str
    metrics: Mapping[str, float]
    points: Sequence[tuple[int, Mapping[str, float]]] = ()  # (concurrency, metrics)
    answers: Sequence[Mapping[str, Any]] = ()  # fields of models.Answer, without index
    remarks: Sequence[Message] = ()
    began: Mapping[int, float] = field(default_factory=dict)
    warm_ups: Mapping[int, WarmUp] = field(default_factory=dict)
    requests: Mapping[int, Sequence[RequestTimes]] = field(default_factory=dict)
    sets: Sequence[SetScore] = ()
    loads: Mapping[int, LoadAtRate] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)

    def load(self, key: int) -> LoadAtRate:
        return self.loads.get(key, LoadAtRate(key))

    @property
    def named_points(self) -> list[tuple[int | str, Mapping[str, float]]]:
        """Return the points with the concurrency that a message names."""
        return [(self.load(key).at, metrics) for key, metrics in self.points]

    @property
    def by_concurrency(self) -> "Measurement":
        """Return a search with a point for each concurrency, over its runs; none for rates."""
        if not self.loads:
            return self
        loads = ((key, self.loads[key]) for key, _metrics in self.points)
        runs = grouped((load.concurrency, key) for key, load in loads if load.rate is None)
        known = dict(self.points)
        return replace(
            self,
            points=[(at, _pooled([known[key] for key in keys])) for at, keys in runs.items()],
            requests={
                at: [one for key in keys for one in self.requests.get(key, ())]
                for at, keys in runs.items()
            },
            loads={},
        )


def _pooled(runs: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
    """Return the sum of counts and durations, and the mean of others, of what all runs have."""
    names = [name for name in runs[0] if all(name in run for run in runs)]
    sums = {name: fsum(run[name] for run in runs) for name in names}
    return {name: total if name in _SUMMED else total / len(runs) for name, total in sums.items()}


_SUMMED = (
    *("requests", "failed_requests", "input_tokens", "output_tokens", "duration_s"),
    *("engine_requests", "engine_output_tokens", "engine_preemptions"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of a job, parsed from the tool's output. ``failure``: the tool exited 0 but did no
    work. ``product`` completes the promised one. ``message``: the success in one number."""

    failure: Message | None = None
    message: Message | None = None
    product: Mapping[str, Any] | None = None
    measured: Measurement | None = None


MODELS, VERSION, METRICS, PROPS = "/v1/models", "/version", "/metrics", "/props"


@dataclass(frozen=True, slots=True)
class EngineAbout:
    """Answers of an engine. ``engine``, ``version``: "" if not told. ``max_context``: tokens of the
    asked model, None if not told. ``has_counters``: ``/metrics`` has those of a known engine."""

    models: tuple[str, ...]
    engine: str = ""
    version: str = ""
    max_context: int | None = None
    has_counters: bool = False


@dataclass(frozen=True, slots=True)
class TableScore:
    """Score of a set for a model, in a summary of OpenCompass. ``value``: per cent, None: failed.
    ``text``: as printed, with decimals that differ between rows."""

    model: str
    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    text: str

    @property
    def share(self) -> float | None:
        """Return the score from 0 to 1; None when failed or not a share of the questions."""
        if self.value is None or self.metric not in SHARES:
            return None
        return self.value / 100

    @property
    def is_as_published(self) -> bool | None:
        """Return True for the prompt of OpenCompass 0.4.1; None: unknown."""
        known = EVALUATION_SETS.get(self.dataset)
        return None if known is None or not self.version else known.version == self.version


@dataclass(frozen=True, slots=True)
class Glance:
    """Progress of a running job. ``has_drawn``: new bytes of its log have figures or a bar."""

    figures: Progress | None
    has_drawn: bool


def token_shares(
    total: int,
    lengths: tuple[int, int],
    *,
    counted: int | None = None,
    measured: tuple[int, int] | None = None,
) -> tuple[int, int, bool]:
    """Return tokens of reasoning and of answer, and True where they are estimated.

    ``lengths``: characters of reasoning and answer. ``counted``: tokens of the reasoning by the
    engine or its stream; 0 beside a text of reasoning is no count. ``measured``: both texts by the
    engine's tokenizer, which share the total. Else their lengths share it: an estimate.
    """
    reasoning, answer = lengths
    if not reasoning:
        return 0, total, False
    if not answer:
        return total, 0, False
    if counted:
        thought = min(total, counted)
        return thought, total - thought, False
    thought_size, answer_size = measured or lengths
    thought = round(total * thought_size / max(1, thought_size + answer_size))
    return thought, total - thought, measured is None
