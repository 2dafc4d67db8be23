"""Shared by ``vastgenx serve`` and ``llmdeploy api``: a compiled model that answers."""

import asyncio
import json
import signal
import socket
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.lib import http, world
from simulator.lib.vllm import engine as engines
from simulator.lib.vllm import tokens
from simulator.lib.vllm.metrics import Metrics

LOAD_S = 90.0  # of the made-up world
TPOT_S = 0.022


class ServeError(Exception):
    """An error with which the server does not start."""


@dataclass(frozen=True)
class Artifact:
    """Output of vamc."""

    name: str
    tp: int
    prefill: int
    most: int
    opens_thought: bool


def read(folder: Path) -> Artifact:
    """Read a folder of vamc.

    Raises:
        ServeError: it is none.
    """
    paths = sorted(folder.glob("*_module_info.json"))
    if not paths:
        raise ServeError(f"no compiled model in {folder}")
    info = json.loads(paths[0].read_text(encoding="utf-8"))
    try:
        text = (folder / "tokenizer/tokenizer_config.json").read_text(encoding="utf-8")
        template = json.loads(text)["chat_template"]
    except (OSError, ValueError, KeyError):
        template = ""
    return Artifact(
        folder.name, info["tp"], info["prefill"], info["max"], "<think>\\n' }}" in template
    )


def check_dies(ids: list[int], tp: int) -> None:
    """See that the dies are there.

    Raises:
        ServeError: one is not, or there are too few.
    """
    if len(ids) < tp:
        raise ServeError(f"llm_devices {ids} are fewer than tp {tp}")
    for die in ids[:tp]:
        if not (world.root() / "dev" / f"vacc{die}").exists():
            raise ServeError(f"open /dev/vacc{die} failed: No such file or directory")


def listen(host: str, port: int) -> socket.socket:
    """The socket.

    Raises:
        OSError: the port is taken.
    """
    if world.fault("port_busy"):
        raise OSError(98, "Address already in use")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def load(artifact: Artifact, ids: list[int], say: Callable[[str], None]) -> None:
    """Put the model on its dies, a line a rank.

    Raises:
        ServeError: a die vanished meanwhile.
    """
    for rank in range(artifact.tp):
        world.sleep(LOAD_S / artifact.tp)
        say(f"load rank {rank} on die {ids[rank]} ({rank + 1}/{artifact.tp})")
        if world.fault("oom") and rank >= artifact.tp // 2:
            signal.raise_signal(signal.SIGKILL)
        if world.fault("die_vanished") and rank >= artifact.tp // 2:
            (world.root() / "dev" / f"vacc{ids[rank]}").unlink(missing_ok=True)
    check_dies(ids, artifact.tp)


class Answers:
    """Chat and completions over one engine. ``wire`` makes the bytes of one stream event."""

    def __init__(
        self, artifact: Artifact, batch: int, wire: Callable[[dict[str, Any] | None], bytes]
    ) -> None:
        pace = engines.Pace(parallel=batch, tpot_s=TPOT_S, prefill=9000.0)
        self.engine = engines.Engine(
            pace, Metrics("0.17.0", artifact.name, {}), opens_thought=artifact.opens_thought
        )
        self.artifact = artifact
        self._wire = wire

    def request(self, body: dict[str, Any], *, chat: bool) -> engines.Request | str:
        """The request of a body, or the words that refuse it."""
        wanted = "messages" if chat else "prompt"
        if wanted not in body:
            return f"{wanted} is required"
        parts = (
            [str(m.get("content") or "") for m in body["messages"]]
            if chat
            else [str(body["prompt"])]
        )
        prompt = "\n".join(part.rpartition("</think>")[2] for part in parts)
        count = tokens.count(prompt) + 8
        if count > self.artifact.prefill:
            return f"input length {count} exceeds max input length {self.artifact.prefill}"
        most = self.artifact.most - count
        given = int(body.get("max_tokens") or body.get("max_completion_tokens") or most)
        return engines.Request(
            prompt, count, min(given, most), ignore_eos=bool(body.get("ignore_eos"))
        )

    async def stream(self, request: engines.Request, body: dict[str, Any]) -> AsyncIterator[bytes]:
        """Events with ``token_timestamps`` (µs), the usage, and the end."""
        head = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": self.artifact.name,
        }
        count = 0
        async for piece in self.engine.generate(request):
            delta: dict[str, Any] = {"content": piece.text}
            if not count:
                delta["role"] = "assistant"
            count += piece.count
            choice = {"index": 0, "delta": delta, "finish_reason": piece.finish or None}
            yield self._wire(
                {**head, "choices": [choice], "token_timestamps": [int(time.time() * 1e6)]}
            )
        usage = usage_of(request, count)
        if (body.get("stream_options") or {}).get("include_usage"):
            yield self._wire({**head, "choices": [], "usage": usage})
        end = self._wire(None)
        if end:
            yield end

    async def whole(self, request: engines.Request) -> dict[str, Any]:
        """The answer in one piece."""
        text, finish, count = "", "stop", 0
        async for piece in self.engine.generate(request):
            text, count, finish = text + piece.text, count + piece.count, piece.finish or finish
        message = {"role": "assistant", "content": text}
        return {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.artifact.name,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
            "usage": usage_of(request, count),
            "note": world.MARK,
        }


def usage_of(request: engines.Request, count: int) -> dict[str, int]:
    """Token counts in the form of the API."""
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": count,
        "total_tokens": request.prompt_tokens + count,
    }


async def run(
    listener: socket.socket,
    answers: Answers,
    handler: http.Handler,
    on_answer: Callable[[http.Asked, http.Answer], None],
) -> int:
    """Serve until SIGTERM or SIGINT, or until the engine is to die; the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = http.Server(handler, on_answer)
    listening = await asyncio.start_server(server.connected, sock=listener, backlog=512)
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), 0.2)
        except asyncio.TimeoutError:
            if answers.engine.served >= engines.DIES_AFTER and world.fault("server_dies_midway"):
                world.err("terminate called after throwing an instance of 'vacl::RuntimeError'")
                return 134
    listening.close()
    return 0
