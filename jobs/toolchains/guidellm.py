"""GuideLLM: its benchmark of a server over HTTP, without a network."""

from __future__ import annotations

import json
from dataclasses import dataclass

from jobs.plans import DIES, Output, Plan, PlanFile, Step, Watch, literal
from jobs.toolchains.environments import ENVIRONMENTS
from jobs.toolchains.site import FILES, Site

NAME = "guidellm"
PROGRAMS = (NAME,)
KIND = "benchmark-guidellm"

_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("COLUMNS", "160"),
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    # Of its own accord it starts a process a stream, up to ten, each of 300 MB.
    ("GUIDELLM__MAX_WORKER_PROCESSES", "2"),
    ("no_proxy", "127.0.0.1,localhost"),
)
# llama.cpp's server closes a connection after a stream without saying so first.
_HEADERS = {"Connection": "close"}
# Every request is generated to its full length and read whole.
_BODY = {"temperature": 0, "ignore_eos": True, "cache_prompt": False}
_REQUEST_S = 600
# Prompts of one concurrency differ in their first word. Beyond so many they come round again.
_PROMPTS = 512


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent. ``requests`` at each concurrency; tokens a request.

    ``metrics``: the engine's own counters to read meanwhile. Not ``streamed``: answers come whole.
    """

    concurrency: tuple[int, ...]
    requests: int
    output_tokens: int
    prompts: tuple[str, ...]
    metrics: tuple[str, ...]
    streamed: bool
    has_dies: bool


def benchmark_plan(load: Load, site: Site) -> Plan:
    """Measure the deployment of the slots ``{deployment.url}`` and ``{deployment.name}``.

    A run for each concurrency: in one of several the second would begin with the first's prompts.
    """
    return Plan(
        kind=KIND,
        steps=tuple(
            Step(f"measure-{level}", _command(load, level, site), env=_ENV)
            for level in load.concurrency
        ),
        files=tuple(
            PlanFile(_file(load, level), _lines(load, level)) for level in load.concurrency
        ),
        outputs=tuple(Output(f"result-{level}", _result(level)) for level in load.concurrency),
        watches=(
            *((Watch("engine", "{deployment.url}/metrics", load.metrics),) if load.metrics else ()),
            *(
                (Watch(DIES, interval_s=5.0, reader="dies", folder="{deployment.dies}"),)
                if load.has_dies
                else ()
            ),
        ),
    )


def _command(load: Load, level: int, site: Site) -> tuple[str, ...]:
    backend = {
        "kind": "openai_http",
        "target": "URL",
        "model": "NAME",
        "request_format": "/v1/chat/completions",
        "stream": load.streamed,
        "max_tokens": load.output_tokens,
        "timeout": _REQUEST_S,
        "validate_backend": False,
        "extras": {"headers": _HEADERS, "body": _BODY},
    }
    told = literal(json.dumps(backend))
    told = told.replace('"URL"', '"{deployment.url}"').replace('"NAME"', '"{deployment.name}"')
    return (
        *(ENVIRONMENTS[NAME].program(site, NAME), "run", "--backend", told),
        *("--profile", f"kind=concurrent,streams={level}"),
        *("--constraint", f"kind=max_requests,count={load.requests}"),
        *("--data", f"kind=text_file,path={FILES}/{_file(load, level)}"),
        *("--output", f"kind=json,path={_result(level)}", "--output", "kind=console"),
        "--disable-console-interactive",
    )


def _file(load: Load, level: int) -> str:
    """The prompts' file. It is printed, so that how many requests there are stands in the log."""
    return f"prompts-{load.requests}-at-{level}.txt"


def _result(level: int) -> str:
    return f"result-{level}.json"


def _lines(load: Load, level: int) -> str:
    count = min(load.requests, _PROMPTS)
    prompts = (load.prompts[n % len(load.prompts)] for n in range(count))
    return "".join(f"{level}-{n} {prompt}\n" for n, prompt in enumerate(prompts, 1))
