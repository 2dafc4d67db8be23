"""The log of ``vllm serve``, V0 (0.7.2) and V1 (0.8 and newer): how far its start is, what broke,
how fast it serves.

The prefix of a line changed with each generation (``LEVEL time file] ``, ``LEVEL time [file] ``,
``(process pid=N) LEVEL time [file] ``), so words are looked for behind any of them. There is no
year in a time stamp. Ready is *Application startup complete.*; ``Uvicorn running on`` is not
printed any more since 0.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from jobs.parsers.lines import Line, Lines

# In the order in which a start goes through them; it may stop or fail in any.
Phase = Literal[
    "", "boot", "engine", "load", "loaded", "kv_cache", "warm_up", "listen", "ready",
    "stopped", "failed",
]  # fmt: skip
_PHASES: tuple[str, ...] = get_args(Phase)

PREFIX = re.compile(
    r"(?:\((?P<process>[^)]+?) pid=(?P<pid>\d+)\)\s+)?"
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL):?\s+"
    r"(?:(?P<stamp>\d\d-\d\d \d\d:\d\d:\d\d)\s+\[?(?P<source>[\w./-]+:\d+)\]\s)?"
)
_PROCESS = re.compile(r"\([^)]+? pid=\d+\)\s+")
_SHARDS = re.compile(
    r"Loading (?:safetensors|pt|bin) checkpoint shards:\s+\d+% Completed \| "
    r"(?P<done>\d+)/(?P<total>\d+) \[(?P<spent>[^<\]]+)<(?P<left>[^,\]]+)"
)
_NUMBER = r"(?P<value>[\d,]+(?:\.\d+)?)"


@dataclass(frozen=True, slots=True)
class FatalLine:
    """The first line that says that the start is over."""

    number: int
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Startup:
    """How far a start is. ``left_s`` is the tool's own estimate for the shards that are left.

    ``kv_concurrency`` is how many requests of full length the KV cache holds. Numbers are None as
    long as the log has not told them; V0 and V1 tell different ones.
    """

    phase: Phase = ""
    version: str = ""
    engine: str = ""
    shards_done: int | None = None
    shards_total: int | None = None
    left_s: float | None = None
    weights_s: float | None = None
    weights_gib: float | None = None
    kv_tokens: int | None = None
    kv_blocks: int | None = None
    kv_gib: float | None = None
    kv_concurrency: float | None = None
    engine_s: float | None = None
    fatal: FatalLine | None = None

    @property
    def is_ready(self) -> bool:
        """True once the server takes requests, as its log says; its health check confirms it."""
        return self.phase == "ready"


def _float(text: str) -> float:
    return float(text.replace(",", ""))


def _int(text: str) -> int:
    return int(_float(text))


# What a line says: words behind the prefix -> the phase that has begun, and what it tells.
_Told = tuple[re.Pattern[str], Phase, str, Callable[[str], Any] | None]
_SAID: tuple[_Told, ...] = tuple(
    (re.compile(words), phase, field, read)  # type: ignore[misc]
    for words, phase, field, read in (
        (r"vLLM API server version (?P<value>\S+)", "boot", "version", str),
        (r".*█  version (?P<value>\d\S*)", "boot", "version", str),
        (r"(?:non-default args|args): ", "boot", "", None),
        (r"Started engine process with PID", "engine", "", None),
        (r"Initializing a (?P<value>V\d) LLM engine", "engine", "engine", str),
        (r"Initializing a V\d LLM engine \(v(?P<value>[^)]+)\)", "engine", "version", str),
        (r"Worker ready; awaiting tasks", "engine", "", None),
        (r"Starting to load model ", "load", "", None),
        (rf"Loading weights took {_NUMBER} seconds", "loaded", "weights_s", _float),
        # GB in 0.7.2's words, counted in powers of two.
        (rf"Loading model weights took {_NUMBER} GB", "loaded", "weights_gib", _float),
        (rf"Model loading took {_NUMBER} Gi?B", "loaded", "weights_gib", _float),
        (rf"# \w+ blocks: {_NUMBER}, # \w+ blocks: ", "kv_cache", "kv_blocks", _int),
        (rf"Available KV cache memory: {_NUMBER} GiB", "kv_cache", "kv_gib", _float),
        (rf"\w+ KV cache size: {_NUMBER} tokens", "kv_cache", "kv_tokens", _int),
        (
            rf"(?:.*, )?Maximum concurrency for [\d,]+ tokens per request: {_NUMBER}x",
            "kv_cache",
            "kv_concurrency",
            _float,
        ),
        (r"(?:Capturing|Compiling|Warming up|torch\.compile takes|Dynamo bytecode)", "warm_up", "",
         None),
        (rf"init engine \(.*\) took {_NUMBER} s", "warm_up", "engine_s", _float),
        (r"Starting vLLM (?:API )?server", "listen", "", None),
        (r"Available routes are:", "listen", "", None),
        (r"(?:Started server process|Waiting for application startup)", "listen", "", None),
        (r"Application startup complete\.", "ready", "", None),
        (r"Shutting down FastAPI HTTP server\.", "stopped", "", None),
        (r"(?:Application shutdown complete|Finished server process)", "stopped", "", None),
    )
)  # fmt: skip

# What ends a start or a server, whatever stands before it on the line.
_FATAL = re.compile(
    r"Engine process failed to start"
    r"|Worker \w+ pid \d+ died, exit code"
    r"|No available memory for the cache blocks"
    r"|is larger than the maximum number of tokens that can be stored in KV cache"
    r"|KV cache is needed, which is larger than the available KV cache memory"
    r"|EngineCore failed to start"
    r"|Engine core initialization failed"
    r"|EngineCore encountered a fatal error"
    r"|Worker proc \S+ died unexpectedly"
    r"|^vllm\b.*: error: "
    r"|Error! IOMMU is enable, please close IOMMU first"
)
# An exception ends a start. Once it serves, it is that of one request.
_EXCEPTION = re.compile(r"[A-Z]\w*(?:Error|Exception)(?:: |$)")


class StartupLog:
    """Follows a start from the pieces of its log, in their order.

    A server's log goes on with its next run: a boot after an end begins anew.
    """

    def __init__(self, *, number: int = 1, offset: int = 0) -> None:
        self.state = Startup()
        self._reached = 0  # the furthest phase, whatever broke since
        self._lines = Lines(number=number, offset=offset)

    def feed(self, chunk: bytes) -> Startup:
        """How far the start is after ``chunk``."""
        for line in self._lines.feed(chunk):
            self._take(line)
        return self.state

    def end(self) -> Startup:
        """How far it was when the log ended, whose last line may have no end."""
        for line in self._lines.end():
            self._take(line)
        return self.state

    def _take(self, line: Line) -> None:
        text = message(line.text)
        if self._is_fatal(text):
            if self.state.fatal is None:
                fatal = FatalLine(line.number, line.offset, line.text)
                self.state = replace(self.state, phase="failed", fatal=fatal)
            return
        if shards := _SHARDS.search(line.text):
            self._reach("load")
            done, total = int(shards["done"]), int(shards["total"])
            left = seconds_of(shards["left"]) if done else None
            self.state = replace(self.state, shards_done=done, shards_total=total, left_s=left)
            return
        for words, phase, field, read in _SAID:
            if said := words.match(text):
                self._reach(phase)
                if field and read:
                    told: dict[str, Any] = {field: read(said["value"])}
                    self.state = replace(self.state, **told)

    def _is_fatal(self, text: str) -> bool:
        serves = self.state.phase in ("ready", "stopped")
        return bool(_FATAL.search(text) or (not serves and _EXCEPTION.match(text)))

    def _reach(self, phase: Phase) -> None:
        """Go on to a phase; never back, for workers load beside each other.

        A start that gets further after an exception has overcome it.
        """
        if phase == "boot" and self.state.phase in ("failed", "stopped"):
            self.state, self._reached = Startup(), 0
        place = _PHASES.index(phase)
        if place > self._reached and not (phase == "stopped" and self.state.phase == "failed"):
            self._reached = place
            self.state = replace(self.state, phase=phase, fatal=None)


def message(text: str) -> str:
    """A line without what stands before its words."""
    prefix = PREFIX.match(text) or _PROCESS.match(text)
    return text[prefix.end() :] if prefix else text


def seconds_of(text: str) -> float | None:
    """Seconds in tqdm's "05:58" or "1:02:03"; None for "?"."""
    parts = text.strip().split(":")
    if not all(part.isdigit() for part in parts):
        return None
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return seconds


@dataclass(frozen=True, slots=True)
class Serving:
    """What the engine says of itself every few seconds. ``metrics`` has names of
    ``jobs.metrics.METRICS``; ``stamp`` is "MM-DD HH:MM:SS", without a year.
    """

    number: int
    stamp: str
    engine: str
    metrics: Mapping[str, float]


_AVERAGES = "Avg prompt throughput: "
_SPECULATIVE = re.compile(r"(?:SpecDecoding|Speculative) metrics: ")
_PREFIX_HITS = "Prefix cache hit rate: "
# Their name -> ours, and what to multiply by ("12.5%" is stored as 0.125).
_SERVING = {
    "Avg prompt throughput": ("engine_prompt_tokens_per_s", 1.0),
    "Avg generation throughput": ("engine_output_tokens_per_s", 1.0),
    "Running": ("engine_running", 1.0),
    "Waiting": ("engine_waiting", 1.0),
    "Pending": ("engine_waiting", 1.0),
    "Preemptions": ("engine_preemptions", 1.0),
    "Prefix cache hit rate": ("engine_prefix_hits", 0.01),
}
_SPECULATION = {
    "Avg Draft acceptance rate": ("acceptance_rate", 0.01),
    "Draft acceptance rate": ("acceptance_rate", 1.0),
    "Mean acceptance length": ("acceptance_length_tokens", 1.0),
    "Accepted": ("accepted_tokens", 1.0),
    "Drafted": ("draft_tokens", 1.0),
    "Number of accepted tokens": ("accepted_tokens", 1.0),
    "Number of draft tokens": ("draft_tokens", 1.0),
}
_PAIR = re.compile(r"(?P<name>[^:]+): (?P<value>-?\d+(?:\.\d+)?)\b")


def serving(lines: Iterator[Line]) -> Iterator[Serving]:
    """What the engine said on ``lines``, oldest first."""
    for line in lines:
        found = serving_line(line)
        if found is not None:
            yield found


def serving_line(line: Line) -> Serving | None:
    """What the engine says on one line, None for another line.

    V0 prints the prefix cache and speculation on lines of their own, V1 speculation.
    """
    prefix = PREFIX.match(line.text)
    text = line.text[prefix.end() :] if prefix else line.text
    engine, has_engine, rest = text.partition(": Avg prompt")
    if has_engine and engine.startswith("Engine "):
        text, engine = "Avg prompt" + rest, engine.removeprefix("Engine ")
    else:
        engine = ""
    if text.startswith(_AVERAGES):
        metrics = _averages(text)
    elif text.startswith(_PREFIX_HITS):
        metrics = _pairs(text.removeprefix(_PREFIX_HITS), {"GPU": ("engine_prefix_hits", 0.01)})
    elif said := _SPECULATIVE.match(text):
        metrics = _pairs(text[said.end() :], _SPECULATION)
    else:
        return None
    stamp = (prefix["stamp"] or "") if prefix else ""
    return Serving(line.number, stamp, engine, metrics) if metrics else None


def _averages(text: str) -> dict[str, float]:
    found = _pairs(text, _SERVING)
    # "GPU" became the device's own name. V0 prints a second one, "CPU KV cache usage": its swap.
    used = re.search(r"(?:^|, )\w+ KV cache usage: (?P<value>\d+(?:\.\d+)?)%", text)
    if used:
        found["engine_kv_cache"] = float(used["value"]) / 100
    return found


def _pairs(text: str, names: Mapping[str, tuple[str, float]]) -> dict[str, float]:
    found = {}
    for part in text.split(", "):
        pair = _PAIR.match(part)
        if pair and pair["name"] in names:
            ours, factor = names[pair["name"]]
            found[ours] = float(pair["value"]) * factor
    return found
