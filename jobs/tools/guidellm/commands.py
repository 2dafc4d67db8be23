"""GuideLLM: its benchmark of a server over HTTP, without a network."""

import json

from jobs.plans import Output, Plan, Step, literal
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.lib.site import FILES, UNBUFFERED, Site

NAME = "guidellm"
POISSON = "send_poisson.py"
PROGRAMS = ("python", NAME)
KIND = "benchmark-guidellm"

ENV = (
    *UNBUFFERED,
    ("COLUMNS", "160"),
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    # By default it starts a process per stream, up to ten, 300 MB each.
    ("GUIDELLM__MAX_WORKER_PROCESSES", "2"),
    ("no_proxy", "127.0.0.1,localhost"),
)
# Each worker process draws the same arrivals: only one sends those of a Poisson process.
ONE_WORKER = {"GUIDELLM__MAX_WORKER_PROCESSES": "1"}
# llama.cpp's server closes a connection after a stream without saying so first.
_HEADERS = {"Connection": "close"}
# Every request is generated to its full length and read whole.
_BODY = {"temperature": 0, "ignore_eos": True, "cache_prompt": False}


def benchmark_plan(load: HttpLoad, site: Site) -> Plan:
    """One run per concurrency: in a combined run, the second would reuse the first's prompts."""
    written = load.written(ENVIRONMENTS[NAME].python(site), load.params.requests)
    levels = load.params.concurrency
    runs = [
        Step(
            f"measure-{level}",
            command(load, site, f"kind=concurrent,streams={level}", level),
            env=ENV,
        )
        for level in levels
    ]
    return Plan(
        kind=KIND,
        steps=(written, *runs),
        files=load.files(),
        outputs=tuple(Output(f"result-{level}", f"result-{level}.json") for level in levels),
        watches=load.watches(),
    )


def poisson_command(load: HttpLoad, site: Site, rate: str, seed: str, run: str) -> tuple[str, ...]:
    """Return the command of one run whose requests arrive at random, by :data:`POISSON`."""
    _program, *arguments = command(load, site, f"kind=poisson,rate={rate}", run)
    own = (ENVIRONMENTS[NAME].python(site), f"{FILES}/{POISSON}")
    return (*own, *arguments, "--seed", f"kind=static,value={seed}")


def command(load: HttpLoad, site: Site, profile: str, run: int | str) -> tuple[str, ...]:
    """Return the command of one run. ``run``: in the names of its prompts and its result."""
    backend = {
        "kind": "openai_http",
        "target": "URL",
        "model": "NAME",
        "request_format": "/v1/chat/completions",
        "stream": load.streamed,
        "max_tokens": load.params.output_tokens,
        "timeout": 600,
        "validate_backend": False,
        "extras": {"headers": _HEADERS, "body": _BODY},
    }
    # Written by cold.py or sized.py. The tool prints the name: the log shows how many requests.
    is_json, requests = load.prompts.of_team or load.prompts.folder, load.params.requests
    kind, suffix = ("json_file", ".jsonl") if is_json else ("text_file", ".txt")
    prompts = f"{{job_dir}}/work/prompts-{requests}-at-{run}{suffix}"
    text = literal(json.dumps(backend))
    text = text.replace('"URL"', '"{deployment.url}"').replace('"NAME"', '"{deployment.name}"')
    return (
        *(ENVIRONMENTS[NAME].program(site, NAME), "run", "--backend", text),
        *("--profile", profile),
        *("--constraint", f"kind=max_requests,count={requests}"),
        *("--data", f"kind={kind},path={prompts}"),
        *("--output", f"kind=json,path=result-{run}.json", "--output", "kind=console"),
        "--disable-console-interactive",
    )
