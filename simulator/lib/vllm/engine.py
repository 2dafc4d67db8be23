"""The engine: words at a pace that depends on how many ask, from a made-up model."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from simulator.lib import questions, world
from simulator.lib.vllm import tokens
from simulator.lib.vllm.metrics import Metrics

PARALLEL = 4  # requests at once; more wait, as on the card
TPOT_S = 0.045  # of the made-up world, with one request
TPOT_GROWTH = 0.12  # more with each further request
PREFILL_TOKENS_PER_S = 2600.0
TTFT_S = 0.18
ACCEPTED = 0.82  # of the tokens that are guessed ahead
SLOW = 4.0
DIES_AFTER = 12  # requests, when the server is to die midway
SHORTEST_SLEEP_S = 0.0005
BLOCK_TOKENS = 16  # of the prefix cache: whole blocks are found again
MOST_BLOCKS = 100_000


@dataclass
class Request:
    """A request to the engine."""

    prompt: str
    prompt_tokens: int
    max_tokens: int
    ignore_eos: bool = False
    min_tokens: int = 0
    stop: tuple[str, ...] = ()
    n: int = 1
    seed: object = 0


@dataclass
class Piece:
    """Some tokens of an answer; ``finish`` is set on the last one."""

    text: str
    count: int = 1
    finish: str = ""


@dataclass
class Pace:
    """Speed of this engine; seconds of the made-up world."""

    parallel: int = PARALLEL
    tpot_s: float = TPOT_S
    prefill: float = PREFILL_TOKENS_PER_S
    kv_tokens: int = 100_000
    drafts: int = 0
    caches: bool = False  # prefixes, as V1 does by default


class EngineDeadError(Exception):
    """The engine died while it answered."""


@dataclass
class Engine:
    """Answers requests, ``pace.parallel`` at a time, and counts them."""

    pace: Pace
    metrics: Metrics
    opens_thought: bool = True
    tags: bool = True  # the text has think tags
    served: int = 0
    dead: bool = False
    _in_use: int = 0
    _blocks: dict[int, None] = field(default_factory=dict)  # the oldest first
    _gate: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._gate = asyncio.Semaphore(self.pace.parallel)

    async def generate(self, request: Request) -> AsyncIterator[Piece]:
        """The answer, piece by piece. Closing the generator aborts the request."""
        arrived = time.monotonic()
        self.metrics.waiting += 1
        finish = "abort"
        try:
            await self._gate.acquire()
        finally:
            self.metrics.waiting -= 1
        started = time.monotonic()
        self.metrics.running += 1
        self.served += 1
        self._hold(request.prompt_tokens)
        done = 0
        first = started
        try:
            fresh = request.prompt_tokens - self._cached_tokens(request)
            await self._sleep(TTFT_S + fresh / self.pace.prefill)
            first = time.monotonic()
            self.metrics.prompt_tokens += request.prompt_tokens
            self.metrics.observe("time_to_first_token_seconds", first - arrived)
            async for piece in self._pieces(request):
                done += piece.count
                finish = piece.finish or finish
                yield piece
        finally:
            self._gate.release()
            self.metrics.running -= 1
            self._hold(-request.prompt_tokens - done)
            self._finish(request, finish, done, arrived, started, first)

    def _cached_tokens(self, request: Request) -> int:
        """Tokens of the prompt that the prefix cache holds; from now on it holds all of it."""
        if not self.pace.caches:
            return 0
        pieces, cached, prefix = tokens.split(request.prompt), 0, 0
        for at in range(0, len(pieces) - BLOCK_TOKENS, BLOCK_TOKENS):
            prefix = hash((prefix, *pieces[at : at + BLOCK_TOKENS]))
            if prefix in self._blocks:
                cached += BLOCK_TOKENS
            self._blocks[prefix] = None
        while len(self._blocks) > MOST_BLOCKS:
            self._blocks.pop(next(iter(self._blocks)))
        cached = min(cached, request.prompt_tokens - 1)
        self.metrics.prefix_hits += cached
        return cached

    async def _pieces(self, request: Request) -> AsyncIterator[Piece]:
        pieces = self._text(request)
        limit = request.max_tokens
        dice = world.seeded("accept", request.prompt, request.seed)
        last = due = time.monotonic()
        at = 0
        while at < min(len(pieces), limit):
            if self.dead:
                raise EngineDeadError
            count = 1
            if self.pace.drafts:
                self.metrics.drafts += 1
                self.metrics.draft_tokens += self.pace.drafts
                while count <= self.pace.drafts and dice.random() < ACCEPTED:
                    count += 1
                self.metrics.accepted_tokens += count - 1
            chunk = pieces[at : min(at + count, limit)]
            if at:
                due += self._tpot() / world.speed()
                if due - time.monotonic() > SHORTEST_SLEEP_S:
                    await asyncio.sleep(due - time.monotonic())
                elif at % 8 == 0:
                    await asyncio.sleep(0)
            at += len(chunk)
            now = time.monotonic()
            if at > len(chunk):
                self.metrics.itl.add(now - last)
            last = now
            self.metrics.generation_tokens += len(chunk)
            self.metrics.observe("iteration_tokens_total", self.metrics.running)
            self._hold(len(chunk))
            ended = at >= len(pieces) or at >= limit
            finish = "" if not ended else "stop" if at >= len(pieces) and at < limit else "length"
            if ended and at >= len(pieces) and not request.ignore_eos:
                finish = "stop"
            yield Piece("".join(chunk), len(chunk), finish)

    def _text(self, request: Request) -> list[str]:
        """The whole answer in tokens, as long as it would be without a limit."""
        thought, answer = questions.solve(request.prompt, request.seed)
        if "work out" not in thought and "代词" not in thought:
            thought += "\n" + questions.musing(request.prompt, 6 + len(request.prompt) % 24)
        text = answer
        if self.tags:
            text = f"{'' if self.opens_thought else '<think>'}\n{thought}\n</think>\n\n{answer}"
            text = text.removeprefix("\n") if self.opens_thought else text
        for word in request.stop:
            text = text.partition(word)[0]
        pieces = tokens.split(text)
        wanted = request.max_tokens if request.ignore_eos else request.min_tokens
        while len(pieces) < wanted:
            pieces += tokens.split(" " + questions.musing((request.prompt, len(pieces)), 8))
        return pieces

    def _tpot(self) -> float:
        slow = SLOW if world_is_slow() else 1.0
        return self.pace.tpot_s * slow * (1 + TPOT_GROWTH * (max(1, self.metrics.running) - 1))

    def _hold(self, count: int) -> None:
        self._in_use = max(0, self._in_use + count)
        self.metrics.kv_share = min(1.0, self._in_use / max(1, self.pace.kv_tokens))

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / world.speed())

    def _finish(
        self,
        request: Request,
        finish: str,
        done: int,
        arrived: float,
        started: float,
        first: float,
    ) -> None:
        now = time.monotonic()
        metrics = self.metrics
        metrics.finished[finish] = metrics.finished.get(finish, 0) + 1
        for name, value in (
            ("e2e_request_latency_seconds", now - arrived),
            ("request_queue_time_seconds", started - arrived),
            ("request_inference_time_seconds", now - started),
            ("request_prefill_time_seconds", first - started),
            ("request_decode_time_seconds", now - first),
            ("request_prompt_tokens", request.prompt_tokens),
            ("request_generation_tokens", done),
            ("request_params_max_tokens", request.max_tokens),
            ("request_params_n", request.n),
        ):
            metrics.observe(name, value)
        if done > 1 and not metrics.is_old:
            metrics.observe("request_time_per_output_token_seconds", (now - first) / (done - 1))


_SLOW_LOOK_S = 0.5
_slow = {"at": -1.0, "is": 0.0}


def world_is_slow() -> bool:
    """True when a die is to be slow; looked up twice a second, not for each token."""
    now = time.monotonic()
    if now - _slow["at"] > _SLOW_LOOK_S:
        _slow["at"], _slow["is"] = now, float(world.fault("slow_die"))
    return bool(_slow["is"])
