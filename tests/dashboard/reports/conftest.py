"""Records of every kind of report."""

from types import SimpleNamespace

import pytest

from dashboard.reports.make import KINDS, make
from jobs.models import Matrix
from tests.factories import make_cell, make_host, make_job, make_measured
from tests.measuring import SERVE, make_measuring_host, measured, served

# Long enough that charts cut it.
HOST = "hidden-host-{}-in-the-second-rack-of-the-large-hall"
MESSAGE = {"message_id": "job:missing", "message_args": {"host": HOST.format(2)}}


@pytest.fixture
def write():
    """A function that returns a report as text."""

    def write(kind, language="en", format="html", **given):
        asked = KINDS[kind].asked.model_validate({"language": language, "format": format, **given})
        return make(KINDS[kind], asked).text

    return write


@pytest.fixture
def made(matrix):
    """Results of two deployments, two evaluations, and a matrix."""
    host = make_measuring_host(HOST.format(1))
    one, other = served(host), served(matrix.host, (*SERVE, "--flash-attention"))
    curve = ((1, 50.25), (2, 95.5), (4, 97.125))
    return SimpleNamespace(
        base=[measured(one, points=curve, dies=0) for _run in range(3)],
        other=[measured(other, points=((1, 60.5 + n), (2, 120.5 + n))) for n in range(3)],
        scored=make_measured(job=make_job(host=host), scores=[1, 0, 1, 1]),
        rescored=make_measured(job=make_job(host=host), scores=[1, 1, 1, 0]),
        matrix=matrix,
        again=Matrix.objects.create(title="r2", kind=matrix.kind, host=matrix.host, spec={}),
    )


@pytest.fixture
def given(made):
    """A function that returns the records of a kind of report, as an address names them."""
    runs = {"id": [f"res-{run.pk}" for run in (made.base[0], made.other[0])]}
    return {
        "result": {"id": f"res-{made.base[0].pk}"},
        "comparison": runs,
        "matrix": {"id": made.matrix.pk},
        "matrices": {"id": [made.matrix.pk, made.again.pk]},
        "parity": {"base": f"res-{made.scored.pk}", "id": f"res-{made.rescored.pk}"},
    }.__getitem__


@pytest.fixture
def matrix(db):
    """A matrix with a done, failed and skipped cell."""
    host = make_host(HOST.format(2))
    spec = {"workload": "own", "requests": 4, "repeats": 1, "shuffled": True, "order_seed": 7}
    matrix = Matrix.objects.create(title="r1", kind="benchmark-online", host=host, spec=spec)
    for column, state in enumerate(("succeeded", "failed", None)):
        fields = MESSAGE if state == "failed" else {}
        job = make_job(host=host, state=state, **fields) if state else None
        if state == "succeeded":
            metrics = {"output_tokens_per_s": 51.25, "ttft_p50_ms": 321.0}
            make_measured(job=job, points=[(1, metrics)])
        make_cell(matrix, column, job)
    return matrix
