"""``vastgenx``: serves what vamc made. Flags and API are known, its log lines are invented."""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from simulator.lib import options, world
from simulator.lib.buildin import serving
from simulator.lib.buildin.serving import Answers, ServeError
from simulator.lib.http import Answer, Asked

VERSION = "1.2.2"
_SERVE = """
str  --model --host=0.0.0.0 --llm_devices --vit_model --vit_devices
int  --port=9000 --batch_size=16 --min_pixels --max_pixels
"""
_WEBUI = """
str --api_base_url --host=0.0.0.0
int --port=9600
"""


def main(argv: Sequence[str]) -> int:
    """Run ``vastgenx``; its exit code."""
    parser = argparse.ArgumentParser("vastgenx")
    parser.add_argument("-v", "--version", action="version", version=f"vastgenx {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    serve = options.add(commands.add_parser("serve"), _SERVE)
    options.add(commands.add_parser("webui"), _WEBUI)
    args = parser.parse_args(argv)
    if args.command == "webui":
        world.err("vastgenx webui is not in this stand-in")
        return 1
    if not args.model:
        serve.error("the following arguments are required: --model")
    return _serve(args)


def _say(text: str) -> None:
    world.out(f"{time.strftime('%Y-%m-%d %H:%M:%S')} | INFO | vastgenx | {text}")


def _serve(args: argparse.Namespace) -> int:
    _say(f"vastgenx {VERSION} ({world.MARK}), model {args.model}")
    try:
        artifact = serving.read(world.real(args.model))
        ids = json.loads(args.llm_devices) if args.llm_devices else list(range(artifact.tp))
        serving.check_dies(ids, artifact.tp)
        listener = serving.listen(args.host, args.port)
        serving.load(artifact, ids, _say)
    except (ServeError, ValueError) as error:
        world.err(f"RuntimeError: {error}")
        return 1
    except OSError as error:
        world.err(f"OSError: [Errno {error.errno}] {error.strerror}")
        return 1
    api = _Api(Answers(artifact, args.batch_size, _event))
    world.err(f"INFO:     Uvicorn running on http://{args.host}:{args.port} (Press CTRL+C to quit)")
    return asyncio.run(serving.run(listener, api.answers, api.answer, _access))


def _event(data: dict[str, Any] | None) -> bytes:
    text = "[DONE]" if data is None else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def _access(asked: Asked, answer: Answer) -> None:
    world.out(
        f'INFO:     {asked.peer} - "{asked.method} {asked.target} HTTP/1.1" '
        f"{answer.status} {answer.reason}"
    )


class _Api:
    """The two routes that are known; everything else is 404."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._born = int(time.time())

    async def answer(self, asked: Asked) -> Answer:
        """Answer any request."""
        artifact = self.answers.artifact
        if asked.path == "/v1/models":
            item = {
                "id": artifact.name,
                "object": "model",
                "created": self._born,
                "owned_by": world.MARK,
                "tp": artifact.tp,
            }
            return Answer.of({"object": "list", "data": [item]})
        if asked.path != "/v1/chat/completions" or asked.method != "POST":
            return Answer.of({"detail": "Not Found"}, 404)
        try:
            body = asked.json()
        except ValueError:
            body = None
        request = self.answers.request(body, chat=True) if isinstance(body, dict) else "no JSON"
        if isinstance(request, str):
            return Answer.of({"detail": request}, 400)
        assert isinstance(body, dict)
        if body.get("stream"):
            return Answer(sort="text/event-stream", stream=self.answers.stream(request, body))
        return Answer.of(await self.answers.whole(request))
