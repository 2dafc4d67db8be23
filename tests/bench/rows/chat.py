"""The chat relay and the gateway, beside the same streams from the engine or through a peer."""

import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.bench.harness import Bench, Goal, Medians, Readings, cpu_s, interleaved, row
from tests.bench.peers import Gateway
from tests.bench.peers.litellm import litellm
from tests.bench.peers.nginx import nginx
from tests.bench.programs import Program, dashboard, program
from tests.stack import Stack

RATE = 100
CSRF = "t" * 32
OURS = "ours"


class Chats:
    def __init__(self, stack: Stack, people: Program, engine: str) -> None:
        self.stack = stack
        self._people = people
        self.engine = engine
        self.direct = Gateway("direct", engine)
        cookie = stack.cookie
        self._headers = {"Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
        self._deployment = 0
        self.cut: Counter[str] = Counter()
        self.pids = (stack.children()["web"],)
        key = stack.call("orders.gateway_key")
        self.gateway = Gateway("gateway", stack.url, self.pids, {"Authorization": f"Bearer {key}"})

    def prepared(self, rounds: int, streams: int) -> Iterator[list[int]]:
        """New chats for each round, all made before the first."""
        order = {"engine": self.engine, "count": rounds * streams}
        made = self.stack.call("orders.chats", **order)
        self._deployment, numbers = made["deployment"], made["chats"]
        return iter([numbers[at : at + streams] for at in range(0, len(numbers), streams)])

    def ask(self, chats: Sequence[int], body: Mapping[str, Any]) -> list[int]:
        """A question in each chat, taken down by the page's form, one after the other."""
        return [self._asked(chat, json.dumps(body)) for chat in chats]

    def relay(self, turns: Sequence[int], tokens: int) -> Mapping[str, float]:
        """One round: the streams of these turns, all at once."""
        urls = [f"{self.stack.url}/relay/turns/{turn}/start" for turn in turns]
        requests = [{"url": url, "json": {}} for url in urls]
        return self._ask(OURS, self._headers, requests, tokens)

    def through(
        self, gateway: Gateway, streams: int, body: Mapping[str, Any]
    ) -> Mapping[str, float]:
        """One round: so many streams through a gateway, all at once."""
        question = [{"role": "user", "content": json.dumps(body)}]
        request = {
            "url": f"{gateway.url}/v1/chat/completions",
            "json": {"model": "bench", "stream": True, "messages": question},
        }
        return self._ask(gateway.name, gateway.headers, [request] * streams, body["tokens"])

    def _asked(self, chat: int, prompt: str) -> int:
        form = {"conversation": chat, "deployment": self._deployment, "prompt": prompt}
        data = urlencode({**form, "max_tokens": 1000}).encode()
        headers = {**self._headers, "Accept": "application/json"}
        request = Request(f"{self.stack.url}/playground/ask/", data, headers)
        with urlopen(request) as answer:
            return int(answer.read().partition(b'data-turn="')[2].partition(b'"')[0])

    def _ask(
        self,
        name: str,
        headers: Mapping[str, str],
        requests: Sequence[Mapping[str, Any]],
        tokens: int,
    ) -> Mapping[str, float]:
        self._people.tell({"headers": dict(headers), "requests": list(requests)})
        answer = self._people.answer()
        self.cut[name] += sum(came != tokens for came in answer["tokens"])
        return {
            "ttft": statistics.median(answer["ttft_s"]) * 1000,
            "rate": statistics.median(answer["rates"]),
        }


@contextmanager
def chatting(folder: Path) -> Iterator[Chats]:
    with (
        dashboard(folder) as stack,
        program("engine") as engine,
        program("chatters") as people,
    ):
        yield Chats(stack, people, f"http://127.0.0.1:{engine.hear()}")


def _asked_and_relayed(
    chats: Chats, made: Iterator[list[int]], body: Mapping[str, Any]
) -> Mapping[str, float]:
    return chats.relay(chats.ask(next(made), body), body["tokens"])


def _beside(bench: Bench, chats: Chats, *others: Gateway) -> Mapping[int, Mapping[str, Medians]]:
    """First token and rate of 1 and 100 streams, by relay and the others in turns."""
    sides = {}
    for number, streams, rounds in (
        (1, 1, bench.size(11, 5)),
        (100, bench.amount(100, 100), bench.size(5, 2)),
    ):
        body = {"tokens": bench.size(300, 200) if streams > 1 else 100, "rate": RATE}
        made = chats.prepared(rounds + 1, streams)
        ours = partial(_asked_and_relayed, chats, made, body)
        through = {each.name: partial(chats.through, each, streams, body) for each in others}
        ways = {OURS: ours, **through}
        for way in ways.values():
            way()  # loads what the others find loaded
        sides[number] = interleaved(rounds, **ways)
    return sides


def _held(sides: Mapping[int, Mapping[str, Medians]], way: str, limit: str) -> Readings:
    """Figures of one way, those of another as their limit."""
    return {
        f"{name}-{number}": (each[way][name], each[limit][name])
        for number, each in sides.items()
        for name in ("ttft", "rate")
    }


def _costs(bench: Bench, chats: Chats, *others: Gateway, tokens: int) -> Mapping[str, float]:
    """Microseconds of a processor a token at full speed, by relay and the others in turns."""
    rounds, body = bench.size(5, 3), {"tokens": tokens, "rate": 0}
    through = {
        each.name: partial(
            *(_costing, each.pids, tokens),
            partial(chats.through, each, FULL_STREAMS, body),
        )
        for each in others
    }
    ours = _ours_at_full_speed(chats, rounds, tokens)
    return {name: side["cpu"] for name, side in interleaved(rounds, ours=ours, **through).items()}


FULL_STREAMS = 20


def _ours_at_full_speed(
    chats: Chats, rounds: int, tokens: int
) -> Callable[[], Mapping[str, float]]:
    """One round: processor time of a token, keeping and parsing included."""
    made = chats.prepared(rounds, FULL_STREAMS)

    def measure() -> Mapping[str, float]:
        turns = chats.ask(next(made), {"tokens": tokens, "rate": 0})
        return _costing(chats.pids, tokens, partial(chats.relay, turns, tokens))

    return measure


def _costing(
    pids: Sequence[int], tokens: int, do: Callable[[], Mapping[str, float]]
) -> Mapping[str, float]:
    """Microseconds of these processes' processor for each token of each stream."""
    used = cpu_s(*pids)
    do()
    return {"cpu": (cpu_s(*pids) - used) / (FULL_STREAMS * tokens) * 1e6}


_BESIDE_DIRECT = (
    Goal("ttft-1", "ms", 2, of="added"),
    Goal("ttft-100", "ms", 40, of="added"),
    Goal("rate-1", "tok/s", 0.97, of="ratio", at_least=True),
    Goal("rate-100", "tok/s", 0.975, of="ratio", at_least=True),
)
_AHEAD = (
    Goal("ttft-1", "ms", 1, of="ratio"),
    Goal("ttft-100", "ms", 1, of="ratio"),
    Goal("rate-1", "tok/s", 1, of="ratio", at_least=True),
    Goal("rate-100", "tok/s", 1, of="ratio", at_least=True),
    Goal("cpu", "µs a token", 1, of="ratio"),
)
_CUT = Goal("cut", "streams", 0)


def _named(prefix: str, *goals: Goal) -> Iterator[Goal]:
    return (replace(goal, name=f"{prefix}-{goal.name}") for goal in goals)


def _with(prefix: str, readings: Readings) -> Readings:
    return {f"{prefix}-{name}": reading for name, reading in readings.items()}


@row(
    "relay",
    "chat relay, 1 and 100 streams at 100 tok/s, and at full speed",
    *_BESIDE_DIRECT,
    Goal("cpu", "µs a token", 5),
    _CUT,
    limit_s=180,
    grows="streams",
)
def relay(bench: Bench) -> Readings:
    """Interleaved rounds at 100 tokens a second; then the relay alone, as fast as it goes."""
    with chatting(bench.folder) as chats:
        figures = _held(_beside(bench, chats, chats.direct), OURS, "direct")
        cost = _costs(bench, chats, tokens=bench.size(5_000, 3_000))[OURS]
        return {**figures, "cpu": cost, "cut": float(chats.cut.total())}


@row(
    "gateway",
    "the streams of relay through the gateway, beside the engine itself and the chat relay",
    *_BESIDE_DIRECT,
    Goal("cpu", "µs a token", 5),
    *_named("relay", *_AHEAD),
    _CUT,
    limit_s=600,
)
def gateway(bench: Bench) -> Readings:
    """All three in turns; then gateway and relay in turns, as fast as they go."""
    with chatting(bench.folder) as chats:
        sides = _beside(bench, chats, chats.gateway, chats.direct)
        costs = _costs(bench, chats, chats.gateway, tokens=bench.size(5_000, 3_000))
        cost = costs["gateway"]
        beside_relay = {**_held(sides, "gateway", OURS), "cpu": (cost, costs[OURS])}
        return {
            **_held(sides, "gateway", "direct"),
            "cpu": cost,
            **_with("relay", beside_relay),
            "cut": float(chats.cut.total()),
        }


def _through(
    peer: Callable[[Path, str], AbstractContextManager[Gateway]],
) -> Callable[[Bench], Readings]:
    """The relay and the gateway beside a peer: all that ``relay`` measures, in turns."""

    def measure(bench: Bench) -> Readings:
        folder = bench.folder / "peer"
        folder.mkdir()
        with chatting(bench.folder) as chats, peer(folder, chats.engine) as theirs:
            sides = _beside(bench, chats, chats.gateway, theirs)
            tokens = bench.size(3_000, 1_000)
            costs = _costs(bench, chats, chats.gateway, theirs, tokens=tokens)
        figures: dict[str, Any] = {}
        for prefix, way in (("", OURS), ("gateway", "gateway")):
            readings = {
                **_held(sides, way, theirs.name),
                "cpu": (costs[way], costs[theirs.name]),
                "cut": (float(chats.cut[way]), float(chats.cut[theirs.name])),
            }
            figures |= _with(prefix, readings) if prefix else readings
        return figures

    return measure


_BESIDE_LITELLM = (*_AHEAD, _CUT)
through_litellm = row(
    "litellm",
    "the streams of relay and gateway, beside LiteLLM's proxy",
    *_BESIDE_LITELLM,
    *_named("gateway", *_BESIDE_LITELLM),
    limit_s=1800,
)(_through(litellm))

_BESIDE_NGINX = (*_BESIDE_DIRECT, Goal("cpu", "µs a token", 5, of="added"), _CUT)
through_nginx = row(
    "nginx",
    "the streams of relay and gateway, beside nginx without buffers",
    *_BESIDE_NGINX,
    *_named("gateway", *_BESIDE_NGINX),
    limit_s=600,
)(_through(nginx))
