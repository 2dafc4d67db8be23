"""The chat relay, beside the same streams from the engine itself."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from tests.bench.harness import Bench, Goal, Readings, cpu_s, interleaved, row
from tests.bench.programs import Program, dashboard, program
from tests.stack import Stack

RATE = 100
CSRF = "t" * 32


class Chats:
    def __init__(self, stack: Stack, people: Program, engine: str) -> None:
        self._stack = stack
        self._people = people
        self._engine = engine
        cookie = stack.cookie
        self._headers = {"Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
        self._deployment = 0
        self.cut = 0

    def prepared(self, rounds: int, streams: int) -> Iterator[list[int]]:
        """New chats for each round, all made before the first."""
        order = {"engine": self._engine, "count": rounds * streams}
        made = self._stack.call("orders.chats", **order)
        self._deployment, numbers = made["deployment"], made["chats"]
        return iter([numbers[at : at + streams] for at in range(0, len(numbers), streams)])

    def ask(self, chats: Sequence[int], body: Mapping[str, Any]) -> list[int]:
        """A question in each chat, taken down by the page's form, one after the other."""
        return [self._asked(chat, json.dumps(body)) for chat in chats]

    def relay(self, turns: Sequence[int]) -> Mapping[str, float]:
        """One round: the streams of these turns, all at once."""
        urls = [f"{self._stack.url}/relay/turns/{turn}/start" for turn in turns]
        return self._ask([{"url": url, "json": {}} for url in urls])

    def _asked(self, chat: int, prompt: str) -> int:
        form = {"conversation": chat, "deployment": self._deployment, "prompt": prompt}
        data = urlencode({**form, "max_tokens": 1000}).encode()
        headers = {**self._headers, "Accept": "application/json"}
        request = Request(f"{self._stack.url}/playground/ask/", data, headers)
        with urlopen(request) as answer:
            return int(answer.read().partition(b'data-turn="')[2].partition(b'"')[0])

    def direct(self, streams: int, body: Mapping[str, Any]) -> Mapping[str, float]:
        url = f"{self._engine}/v1/chat/completions"
        return self._ask([{"url": url, "json": dict(body)}] * streams)

    def _ask(self, requests: Sequence[Mapping[str, Any]]) -> Mapping[str, float]:
        self._people.tell({"headers": self._headers, "requests": list(requests)})
        answer = self._people.answer()
        self.cut += sum(size != max(answer["bytes"]) for size in answer["bytes"])
        return {
            "ttft": statistics.median(answer["ttft_s"]) * 1000,
            "rate": statistics.median(answer["rates"]),
        }


@row(
    "relay",
    "chat relay, 1 and 100 streams at 100 tok/s, and at full speed",
    Goal("ttft-1", "ms", 2, of="added"),
    Goal("ttft-100", "ms", 40, of="added"),
    Goal("rate-1", "tok/s", 0.97, of="ratio", at_least=True),
    Goal("rate-100", "tok/s", 0.975, of="ratio", at_least=True),
    Goal("cpu", "µs a token", 5),
    Goal("cut", "streams", 0),
    limit_s=180,
)
def relay(bench: Bench) -> Readings:
    """Interleaved rounds at 100 tokens a second; then the relay alone, as fast as it goes."""
    figures: dict[str, Any] = {}
    with (
        dashboard(bench.folder) as stack,
        program("engine") as engine,
        program("chatters") as people,
    ):
        chats = Chats(stack, people, f"http://127.0.0.1:{engine.hear()}")
        for streams, rounds in ((1, bench.size(11, 5)), (100, bench.size(5, 2))):
            body = {"tokens": bench.size(500, 200) if streams > 1 else 100, "rate": RATE}
            made = chats.prepared(rounds + 1, streams)
            chats.relay(chats.ask(next(made), body))  # loads what the others find loaded
            sides = interleaved(
                rounds,
                relay=lambda made=made, body=body: chats.relay(chats.ask(next(made), body)),
                direct=lambda streams=streams, body=body: chats.direct(streams, body),
            )
            for name in ("ttft", "rate"):
                figures[f"{name}-{streams}"] = (sides["relay"][name], sides["direct"][name])
        figures["cpu"] = _cpu_a_token(bench, stack, chats)
    return {**figures, "cut": float(chats.cut)}


def _cpu_a_token(bench: Bench, stack: Stack, chats: Chats) -> float:
    """Microseconds of the web server's processor for each token, keeping and parsing included."""
    streams, tokens, web = 20, bench.size(10_000, 3_000), stack.children()["web"]
    rounds = []
    for made in chats.prepared(bench.size(5, 3), streams):
        turns = chats.ask(made, {"tokens": tokens, "rate": 0})
        used = cpu_s(web)
        chats.relay(turns)
        rounds.append((cpu_s(web) - used) / (streams * tokens) * 1e6)
    return statistics.median(rounds)
