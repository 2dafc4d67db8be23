"""500 results of 200 identities, with all that people add to them.

Of 200 identities, 8 benchmarks have 27 runs, 92 others have 2, and 100 have 1. Each fifth is an
evaluation; each twentieth is imported, and each twentieth is of an endpoint. Each subject has a
baseline, each result a tag. A matrix of 66 cells has 50 cells with two runs.

Order: a ``Sizes``, on a database that is empty. It says the parts of the addresses, and serves its
pages.
"""

import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.core.management import call_command
from django.db import connection, transaction
from django.utils.timezone import now

from dashboard.actions.results import set_baseline
from jobs.models import (
    Deployment,
    Endpoint,
    Host,
    Matrix,
    MatrixCell,
    Note,
    PointRequests,
    Result,
    SavedView,
    SignOff,
    Tag,
)
from jobs.queries.hosts import instance_id
from tests.bench.inside import serve_pages
from tests.factories import make_endpoint, make_job, make_measured, make_user
from tests.jobs.lib.importing import DATA, SERVE, imported
from tests.measuring import FACTS, make_measuring_host, served
from tests.measuring import SERVE as COMMAND

CONCURRENCIES = (1, 2, 4, 8, 16, 32)
MODELS, PRECISIONS, STACKS = 10, 2, 5
MANY, FEW = 27, 2  # runs of an identity
AT_ONCE = 8  # columns of a comparison
ROWS, COLUMNS, SKIPPED = 11, 6, 16  # of the matrix
# Of these each stack has its own.
ENGINES = ("vllm_vacc 0.9.2", "vllm_vacc 0.10.1", "llama.cpp b4500", "llmdeploy 1.2", "vllm 0.32")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much there is: of a large evaluation ``large`` questions, of others ``questions``; of a
    point ``requests``."""

    identities: int
    questions: int
    large: int
    requests: int


def fill(sizes: Sizes) -> dict[str, Any]:
    """Fill an empty database. Return ids and queries for the addresses of pages."""
    call_command("migrate", verbosity=0)
    instance_id()
    host, lin = make_measuring_host("va16"), make_user("lin")
    with transaction.atomic():
        for number in range(sizes.identities):
            for result in _identity(host, lin, number, sizes):
                Tag.objects.create(result=result, name=f"week-{number % 8}", created_by=lin)
        _date()
        _organise(lin)
        matrix = _matrix(host)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return {"matrix": matrix, **_places()}


def _identity(host: Host, lin: Any, number: int, sizes: Sizes) -> list[Result]:
    if number % 20 == 2:
        return [_import(number)]
    names = {
        "model_id": f"distill-{number // 2 % MODELS}",
        "label": f"int{4 + 4 * (number // 20 % PRECISIONS)}",
    }
    measured: Deployment | Endpoint
    if number % 20 == 4:
        measured = make_endpoint(f"h800-{number}", url=f"http://10.0.0.{number}:8000")
    else:
        stack = number // 40 % STACKS
        details = {"stack": f"stack-{stack}", "tp": 8, "pp": 1}
        measured = served(host, (*COMMAND, "--n", str(number)), **details)
        if number > AT_ONCE:
            Deployment.objects.filter(pk=measured.pk).update(state=Deployment.State.STOPPED)
    runs = MANY if number % 50 in (1, 3) else FEW if number % 2 else 1
    return [_run(host, lin, measured, number, sizes, names) for _ in range(runs)]


def _run(
    host: Host,
    lin: Any,
    measured: Deployment | Endpoint,
    number: int,
    sizes: Sizes,
    names: dict[str, str],
) -> Result:
    is_evaluation = number % 5 == 0
    job = make_job(
        host=host,
        kind="evaluate" if is_evaluation else "benchmark-online",
        state="succeeded",
        params={"requests": 50, "concurrency": list(CONCURRENCIES)},
        created_by=lin,
    )
    context: dict[str, Any] = {"host": {"cpu": FACTS["cpu"], "os": "Ubuntu 22.04"}}
    fields: dict[str, Any] = {"job": job, "created_by": lin, **names}
    if isinstance(measured, Endpoint):
        context["endpoint"] = {"url": measured.url, "model": "m", "engine": "vllm"}
        context["endpoint"]["version"] = measured.version
        context["device"] = measured.device_stated
        fields["endpoint"] = measured
    else:
        engine = ENGINES[number // 40 % STACKS]
        context["environments"] = [
            {"name": "llama", "fingerprint": engine, "versions": {"torch": "2.6", "ray": "2.9"}},
            {"name": "evalscope", "fingerprint": "pins", "versions": {"evalscope": "1.14.1"}},
        ]
        fields["deployment"] = measured
    fields["run_context"] = context
    if is_evaluation:
        questions = sizes.large if number % 50 == 5 else sizes.questions
        scores = [float((question + job.pk) % 7 > 0) for question in range(questions)]
        return make_measured(scores=scores, **fields)
    points = [(c, _metrics(c, job.pk)) for c in CONCURRENCIES]
    result = make_measured(points=points, asked={"input_tokens": 512}, **fields)
    PointRequests.objects.bulk_create(
        PointRequests(point=point, rows=_requests(point.metrics, sizes.requests))
        for point in result.points.all()
    )
    return result


def _import(number: int) -> Result:
    """Import a file of others whose rate is of this identity alone."""
    data = json.loads((DATA / SERVE).read_text())
    data["output_throughput"] += number
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"of-{number}.json")
        path.write_text(json.dumps(data))
        return imported(str(path), device="8 × H800")


def _metrics(concurrency: int, seed: int) -> dict[str, float]:
    """Return a point as a tool reports it: rates, lengths, percentiles of four families."""
    noise = 1 + (seed * 7919 % 100 - 50) / 2000  # ± 2.5 %
    rate = 50.0 * concurrency / (1 + concurrency / 24) * noise
    tpot = 1000 * concurrency / rate
    families = {"ttft": 90.0 + 9 * concurrency, "tpot": tpot, "itl": tpot * 0.97}
    metrics = {
        "output_tokens_per_s": rate,
        "total_tokens_per_s": 3 * rate,
        "requests_per_s": rate / 256,
        "requests": 50.0,
        "failed_requests": 0.0,
        "output_tokens": 50.0 * 256,
        "input_tokens": 50.0 * 512,
        "input_tokens_mean": 512.0,
        "output_tokens_mean": 256.0,
        "duration_s": 50 * 256 / rate,
    }
    tails = {"mean": 1.05, "p50": 1.0, "p90": 1.3, "p99": 1.9}
    for name, factor in tails.items():
        metrics |= {f"{family}_{name}_ms": factor * value for family, value in families.items()}
        metrics[f"latency_{name}_s"] = factor * (families["ttft"] + 255 * tpot) / 1000
    return metrics


def _requests(metrics: dict[str, float], size: int) -> list[list[float]]:
    rows = []
    for number in range(size):
        spread = 0.8 + 0.6 * (number * 37 % size) / size
        ttft, tpot = metrics["ttft_p50_ms"] * spread, metrics["tpot_p50_ms"] * spread
        rows.append([ttft, tpot, (ttft + 255 * tpot) / 1000])
    return rows


def _date() -> None:
    """Spread the results over half a year, the runs of all identities in turn."""
    rows = sorted(Result.objects.only("pk"), key=lambda row: row.pk * 37 % 1009)
    first = now() - timedelta(hours=9 * len(rows))
    for place, row in enumerate(rows):
        row.created_at = first + timedelta(hours=9 * place)
    Result.objects.bulk_update(rows, ["created_at"], batch_size=200)


def _organise(lin: AbstractBaseUser) -> None:
    """Set the first result of each subject as baseline; add notes, sign-offs and a view."""
    firsts: dict[str, Result] = {}
    for result in Result.objects.exclude(subject="").order_by("pk"):
        firsts.setdefault(result.subject, result)
        if result.pk % 5 == 0:
            Note.objects.create(result=result, text="Before the new driver.", created_by=lin)
        if result.pk % 9 == 0:
            SignOff.objects.create(result=result, purpose="Offer for a customer", created_by=lin)
    for result in firsts.values():
        set_baseline(lin, result)
    SavedView.objects.create(name="int8", query="precision=int8", is_shared=True, created_by=lin)


def _matrix(host: Host) -> int:
    """Make a matrix with two runs in each measured cell; its jobs are benchmarks of the list."""
    spec = {"requests": 50, "requests_each": False, "repeats": 2, "shuffled": True}
    matrix = Matrix.objects.create(
        title="vendor's matrix",
        kind="benchmark-online",
        host=host,
        spec=spec | {"order_seed": 7, "workload": "vendor", "stops_early": False},
    )
    rows = Result.objects.filter(type=Result.Type.BENCHMARK, deployment__isnull=False)
    jobs = iter(rows.order_by("pk").values_list("job", flat=True))
    cells = []
    for place in range(ROWS * COLUMNS):
        at_row, at_column = divmod(place, COLUMNS)
        sizes = {"input_tokens": 512 * (at_row + 1), "output_tokens": 1024}
        cell = {"matrix": matrix, "row": at_row, "column": at_column, **sizes}
        cell["concurrency"] = 2**at_column
        if place % 4 == 0 and place // 4 < SKIPPED:
            skip = {"skip_id": "matrix:max_concurrency", "skip_args": {"most": 8}}
            cells.append(MatrixCell(**cell, **skip, place=2 * place))
            continue
        for repeat in (1, 2):
            job = next(jobs, None)
            if job is not None:
                more = {"repeat": repeat, "place": 2 * place + repeat, "job_id": job}
                cells.append(MatrixCell(**cell, **more))
    MatrixCell.objects.bulk_create(cells)
    return int(matrix.pk)


def _places() -> dict[str, Any]:
    speeds = Result.objects.filter(type=Result.Type.BENCHMARK, deployment__isnull=False)
    groups: dict[str, list[int]] = {}
    for pk, identity in speeds.order_by("-pk").values_list("pk", "fingerprint"):
        groups.setdefault(identity, []).append(pk)
    most = sorted(groups.values(), key=len, reverse=True)[:AT_ONCE]
    evaluations = list(Result.objects.filter(type=Result.Type.EVALUATION).order_by("pk"))
    evaluations.sort(key=lambda result: result.metrics["questions"], reverse=True)
    large, others = evaluations[:AT_ONCE], evaluations[-AT_ONCE:]
    return {
        "result": most[0][0],
        "evaluation": large[0].pk,
        "runs": "&".join(f"id=res-{runs[0]}" for runs in most),
        "groups": "&".join("group=" + ",".join(f"res-{pk}" for pk in runs) for runs in most),
        "evaluations": "&".join(f"id=res-{result.pk}" for result in others),
        "large": "&".join(f"id=res-{result.pk}" for result in large),
    }


if __name__ == "__main__":
    known = fill(Sizes(**json.loads(sys.stdin.readline())))
    serve_pages(known, make_user("admin", role="admin"), forgets=True)
