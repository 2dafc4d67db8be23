"""GuideLLM: its benchmark of a server over HTTP, without a network."""

import json

from jobs.plans import Output, Plan, Step, literal
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.lib.site import UNBUFFERED, Site

NAME = "guidellm"
PROGRAMS = ("python", NAME)
KIND = "benchmark-guidellm"

_ENV = (
    *UNBUFFERED,
    ("COLUMNS", "160"),
    ("HF_HUB_OFFLINE", "1"),
    ("HF_HOME", "{job_dir}/work/cache"),
    # By default it starts a process per stream, up to ten, 300 MB each.
    ("GUIDELLM__MAX_WORKER_PROCESSES", "2"),
    ("no_proxy", "127.0.0.1,localhost"),
)
# llama.cpp's server closes a connection after a stream without saying so first.
_HEADERS = {"Connection": "close"}
# Every request is generated to its full length and read whole.
_BODY = {"temperature": 0, "ignore_eos": True, "cache_prompt": False}


def benchmark_plan(load: HttpLoad, site: Site) -> Plan:
    """One run per concurrency: in a combined run, the second would reuse the first's prompts."""
    written = load.written(ENVIRONMENTS[NAME].python(site), load.params.requests)
    levels = load.params.concurrency
    runs = [Step(f"measure-{level}", _command(load, level, site), env=_ENV) for level in levels]
    return Plan(
        kind=KIND,
        steps=(written, *runs),
        files=load.files(),
        outputs=tuple(Output(f"result-{level}", f"result-{level}.json") for level in levels),
        watches=load.watches(),
    )


def _command(load: HttpLoad, level: int, site: Site) -> tuple[str, ...]:
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
    prompts = f"{{job_dir}}/work/prompts-{requests}-at-{level}{suffix}"
    text = literal(json.dumps(backend))
    text = text.replace('"URL"', '"{deployment.url}"').replace('"NAME"', '"{deployment.name}"')
    return (
        *(ENVIRONMENTS[NAME].program(site, NAME), "run", "--backend", text),
        *("--profile", f"kind=concurrent,streams={level}"),
        *("--constraint", f"kind=max_requests,count={requests}"),
        *("--data", f"kind={kind},path={prompts}"),
        *("--output", f"kind=json,path=result-{level}.json", "--output", "kind=console"),
        "--disable-console-interactive",
    )
