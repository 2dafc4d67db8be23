"""500 results of 200 identities with tags and baselines, and the time of their pages.

Order: ``{"identities": how many}``, on a database that is empty. It says ``{"compare": query}``.
Then each line is an address, and the answer ``{"ms", "status"}``: everything that Django does for
the page, for a user who is logged in.
"""

from __future__ import annotations

import json
import sys
import time

from django.conf import settings
from django.core.management import call_command
from django.db import transaction
from django.test import Client

from jobs.models import Deployment, Result, Tag
from jobs.services.results.baselines import set_baseline
from tests.bench.inside.lists import PLAIN_STATIC
from tests.factories import make_job, make_measured, make_user
from tests.measuring import FACTS, SERVE, make_measuring_host, served

CONCURRENCIES = (1, 4, 8, 16)
MODELS, STACKS, PRECISIONS = 10, 5, 2
QUESTIONS = 200
AT_ONCE = 8  # columns of a comparison


def fill(identities: int) -> dict[str, str]:
    """Half of the identities have four runs, the others one; each tenth is an evaluation."""
    call_command("migrate", verbosity=0)
    host, lin = make_measuring_host("va16"), make_user("lin")
    with transaction.atomic():
        for number in range(identities):
            model = number % MODELS
            details = {"stack": f"stack-{number // MODELS % STACKS}", "tp": 8}
            deployment = served(host, (*SERVE, "--n", str(number)), **details)
            for _ in range(4 if number % 2 else 1):
                result = _run(deployment, model, number)
                Tag.objects.create(result=result, name=f"week-{number % 8}", created_by=lin)
        firsts: dict[str, Result] = {}
        for result in Result.objects.order_by("pk"):
            firsts.setdefault(result.subject, result)
        for result in firsts.values():
            set_baseline(result, lin)
    speeds = Result.objects.filter(type=Result.Type.BENCHMARK).order_by("pk")
    first = speeds[0]
    alike: dict[str, int] = {}
    for run in speeds.filter(subject=first.subject):
        alike.setdefault(run.fingerprint, run.pk)
    return {"compare": "&".join(f"id={number}" for number in [*alike.values()][:AT_ONCE])}


def _run(deployment: Deployment, model: int, number: int) -> Result:
    job = make_job(
        host=deployment.host,
        kind="evaluate" if number % 10 == 0 else "benchmark",
        state="succeeded",
        params={"requests": 50},
    )
    fields = {"job": job, "deployment": deployment, "model_id": f"distill-{model}"}
    made = [{"name": "llama", "fingerprint": "pins", "versions": {}}]
    fields |= {"run_context": {"host": {"cpu": FACTS["cpu"]}, "environments": made}}
    fields |= {"label": f"int{4 + number % PRECISIONS * 4}"}
    if number % 10 == 0:
        return make_measured(
            scores=[float((q + number) % 7 > 0) for q in range(QUESTIONS)], **fields
        )
    points = [
        (c, {"output_tokens_per_s": 50.0 * c + number % 9, "ttft_p50_ms": 90.0 + job.pk % 11})
        for c in CONCURRENCIES
    ]
    return make_measured(points=points, **fields)


def main() -> None:
    """Fill, then answer until standard input is closed."""
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
    order = json.loads(sys.stdin.readline())
    print(json.dumps(fill(order["identities"])), flush=True)
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(make_user("reader"))
    for line in sys.stdin:
        began = time.perf_counter()
        answer = client.get(line.strip())
        ms = (time.perf_counter() - began) * 1000
        print(json.dumps({"ms": ms, "status": answer.status_code}), flush=True)


if __name__ == "__main__":
    main()
