"""Hosts that are not well and a secret: for pages that a dashboard at its ease does not show."""

import json
from collections.abc import Sequence
from datetime import timedelta

from django.utils.timezone import now

from jobs.models import (
    Endpoint,
    Host,
    Matrix,
    MatrixCell,
    OutputFile,
    PromptSet,
    ServiceLevel,
    Source,
)
from jobs.services.outputs import output_path
from tests.factories import keep_secret, make_job, make_level, make_measured, make_prompts

HOST, AWAY, SECRET = "va16-09", "va16-08", "HF_TOKEN"
DIES = 32


def source() -> int:
    """The number of a permitted source with a long address; made if it is not there."""
    note = {"note": "Patches of the team until the vendor's next release"}
    address = "https://git.example.com/accelerators/vastai/vllm-with-our-patches-for-deepseek"
    return Source.objects.get_or_create(type="git", address=address, defaults=note)[0].pk


def endpoint() -> int:
    """The number of an endpoint with long values that does not answer; made if it is not there."""
    url = "http://127.0.0.1:9/a-gateway-with-a-long-path/of-several-segments"
    Source.objects.get_or_create(type="endpoint", address=url)
    values = {
        "url": url,
        "model": "deepseek-ai/DeepSeek-R1-0528-with-a-long-suffix-of-the-quantization",
        "device": "8 × H800 in the rack of the other team",
        "check_id": "endpoint:silent",
        "check_args": {"url": url, "problem": "Connection refused"},
    }
    name = "H800-of-the-other-team-with-the-newest-vLLM"
    return Endpoint.objects.get_or_create(name=name, defaults=values)[0].pk


def level() -> int:
    """The number of a service level with a long name; made if it is not there."""
    name = "First answers of the chat assistant in the call centre"
    known = ServiceLevel.objects.filter(name=name).first()
    return int((known or make_level(name=name)).pk)


def prompts() -> int:
    """The number of a prompt set with long values; made if it is not there."""
    name = "Questions-of-the-chat-assistant-in-the-call-centre"
    known = PromptSet.objects.filter(name=name).first()
    return int((known or make_prompts("Why? " * 200, name=name)).pk)


def matrix(host: Host, states: Sequence[str]) -> int:
    """The number of a matrix on ``host`` with a cell in each of ``states``; "": left out."""
    spec = {"requests": 5, "requests_each": True, "repeats": 1, "shuffled": True, "order_seed": 7}
    row = Matrix.objects.create(
        title="DeepSeek-R1-Distill-Qwen-32B-int8-tp4-1024-2048-with-chat-template",
        kind="benchmark-online",
        host=host,
        spec=spec | {"workload": "vendor", "stops_early": True},
    )
    for place, state in enumerate(states):
        at_row, at_column = divmod(place, 3)
        job = make_job(kind="benchmark-online", host=host, state=state) if state else None
        if job is not None and state == "succeeded":
            metrics = {"output_tokens_per_s": 12345.6 / (place + 1), "ttft_p50_ms": 98765.4}
            make_measured(job=job, points=[(4, metrics)], simulated=True)
        MatrixCell.objects.create(
            **{"matrix": row, "row": at_row, "column": at_column, "place": place, "job": job},
            **{"input_tokens": 65536, "output_tokens": 8192, "concurrency": 2**at_column},
            skip_id="" if state else "matrix:total_tokens",
            skip_args={} if state else {"concurrency": 1, "asked": 73728, "most": 65536},
        )
    return int(row.pk)


def probe(host: Host) -> int:
    """The number of a greedy probe on ``host``: an equal, a different and a failed answer."""
    inputs = {"deployment": {"endpoint": endpoint()}, "reference": {"endpoint": endpoint()}}
    job = make_job(kind="greedy-probe", host=host, state="succeeded", inputs=inputs)
    path, lines = output_path(job.pk, "probe.jsonl"), []
    for index, other in enumerate((["The", " cat"], ["The", " <b>dog", " barks" * 200], None)):
        sides = [_told(["The", " cat"]), {"error": "HTTP 503"} if other is None else _told(other)]
        both = dict(zip(("deployment", "reference"), sides, strict=True))
        lines.append(json.dumps({"index": index, "prompt": "Why? " * 200} | both))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = path.write_text("\n".join(lines) + "\n")
    sizes = {"bytes": size, "received_bytes": size, "sha256": "0" * 64}
    OutputFile.objects.create(job=job, name="probe", path=path.name, **sizes)
    return int(job.pk)


def _told(words: Sequence[str]) -> dict[str, object]:
    tokens = [[word, -0.5] for word in words]
    return {"text": "".join(words), "finish": "stop", "tokens": tokens}


def make() -> None:
    """Make them, in the dashboard that this runs beside; again, if they are there."""
    keep_secret(SECRET, "hf_0123456789")
    source()
    endpoint()
    level()
    prompts()
    there = [{"id": number} for number in range(DIES) if number != 22]
    host, is_new = Host.objects.update_or_create(
        name=HOST,
        defaults={
            "type": Host.Type.VACC,
            "key_sha256": "0" * 64,
            # No agent sends heartbeats for it: it must stay online until the tests are over.
            "heartbeat_at": now() + timedelta(hours=2),
            "facts_at": now(),
            "facts": {"dies": there, "iommu": True, "stacks": ["guide"], "images": ["a:b"]},
            "dies_seen": [str(number) for number in range(DIES)],
            "load": {"dies": {"13": {"temp_c": 91.2}}, "unread": {"getpwr": "garbage"}},
        },
    )
    if is_new:
        make_job(host=host, state="running", started_at=now(), values={"dies": "0,1,2,3"})
        make_job(host=host)
        matrix(host, ("cancelled", "queued", ""))  # no results: those of the tour stay alone
        probe(host)
    silent = {"type": Host.Type.VACC, "heartbeat_at": now() - timedelta(hours=1)}
    host, is_new = Host.objects.update_or_create(name=AWAY, defaults=silent)
    if is_new:
        make_job(host=host, state="running", started_at=now())
