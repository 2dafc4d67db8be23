"""``llmdeploy``: the guide's own server. Its yaml is known, its log lines are invented.

The stream of its API is bare JSON lines, without ``data:``.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from simulator.lib import world
from simulator.lib.buildin import serving, yamls
from simulator.lib.buildin.serving import Answers, ServeError
from simulator.lib.buildin.yamls import YamlError
from simulator.lib.http import Answer, Asked

VERSION = "1.6.0"


def main(argv: Sequence[str]) -> int:
    """Run ``llmdeploy``; its exit code."""
    parser = argparse.ArgumentParser("llmdeploy")
    parser.add_argument("-v", "--version", action="version", version=f"llmdeploy {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("api", "webui", "benchmark", "eval"):
        commands.add_parser(name).add_argument("config")
    args = parser.parse_args(argv)
    if args.command != "api":
        world.err(f"llmdeploy {args.command} is not in this stand-in")
        return 1
    try:
        config = yamls.load(world.real(args.config).read_text(encoding="utf-8"))
        return _api(config)
    except (ServeError, YamlError) as error:
        world.err(f"Traceback (most recent call last):\nRuntimeError: {error}")
        return 1
    except OSError as error:
        world.err(
            f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{error.filename}'"
        )
        return 1


def _say(text: str) -> None:
    world.out(f"[{time.strftime('%Y-%m-%d %H:%M:%S')}] [llmdeploy] [info] {text}")


def _api(config: dict[str, Any]) -> int:
    _say(f"llmdeploy {VERSION} ({world.MARK})")
    model, api = config.get("model"), config.get("api")
    if not isinstance(model, dict) or not isinstance(api, dict):
        raise ServeError("the configuration needs the sections model and api")
    deploy = world.real(str(model.get("model_deploy_config") or ""))
    info = json.loads(deploy.read_text(encoding="utf-8"))
    artifact = serving.read(world.real(info["path"]))
    ids = model.get("tp_device_ids_list") or list(range(artifact.tp))
    if ids and isinstance(ids[0], list):  # a list for each instance
        ids = ids[0]
    for name in ("publish_port", "subscribe_port"):
        number = model.get(name)
        if number is not None and not 0 < int(number) < 65536:
            raise ServeError(f"{name} {number} is no port")
    serving.check_dies(ids, artifact.tp)
    host, port = str(api.get("server_host") or "0.0.0.0"), int(api.get("server_port") or 7863)
    listener = serving.listen(host, port)
    serving.load(artifact, ids, _say)
    routes = _Api(Answers(artifact, int(model.get("batch_size") or 1), _event))
    _say(f"api server is running on {host}:{port}")
    return asyncio.run(serving.run(listener, routes.answers, routes.answer, _access))


def _event(data: dict[str, Any] | None) -> bytes:
    return b"" if data is None else json.dumps(data, ensure_ascii=False).encode() + b"\n"


def _access(asked: Asked, answer: Answer) -> None:
    _say(f"{asked.method} {asked.target} {answer.status}")


class _Api:
    """Chat and completions; an error has ``code`` and ``msg``."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers

    async def answer(self, asked: Asked) -> Answer:
        """Answer any request."""
        chat = asked.path == "/v1/chat/completions"
        if asked.path == "/v1/models":
            item = {"id": self.answers.artifact.name, "object": "model", "owned_by": world.MARK}
            return Answer.of({"object": "list", "data": [item]})
        if asked.method != "POST" or not (chat or asked.path == "/v1/completions"):
            return Answer.of({"code": 404, "msg": "not found"}, 404)
        try:
            body = asked.json()
        except ValueError:
            body = None
        request = self.answers.request(body, chat=chat) if isinstance(body, dict) else "no JSON"
        if isinstance(request, str):
            return Answer.of({"code": 400, "msg": request, "errorMsg": request}, 400)
        assert isinstance(body, dict)
        if body.get("stream"):
            return Answer(sort="application/json", stream=self.answers.stream(request, body))
        return Answer.of(await self.answers.whole(request))
