"""Compressed answers of the API, by kind, to a caller who accepts gzip."""

import gzip

import pytest

from jobs.models import OutputFile
from jobs.services.outputs import outputs_folder
from tests.dashboard.lib.streams import content_of
from tests.factories import make_host, make_job, make_measured
from tests.kept import DAY, ended

LOG = b"".join(b"line %d\n" % number for number in range(500))


@pytest.fixture
def answer(api):
    """Give an answer of a path of the API."""

    def get(path, accepts="gzip, deflate"):
        headers = {**api.headers, "Accept-Encoding": accepts}
        return api.client.get(f"/api/v1/{path}", headers=headers)

    return get


@pytest.mark.parametrize(
    "path",
    ["jobs", "jobs/{job}", "results", "results/res-{result}", "hosts", "openapi.json"],
)
def test_json_is_compressed_where_the_caller_accepts_gzip(path, answer):
    for _ in range(4):
        result = make_measured(job=ended(DAY), host=make_host())
    path = path.format(job=result.job_id, result=result.pk)

    packed, plain = answer(path), answer(path, "identity")

    assert (packed["Content-Encoding"], plain.has_header("Content-Encoding")) == ("gzip", False)
    assert gzip.decompress(packed.content) == plain.content
    assert packed.get("ETag") == plain.get("ETag")
    assert "Accept-Encoding" in plain["Vary"]


@pytest.mark.parametrize(
    "path",
    [
        "jobs/{job}/events?log_from=0",
        "jobs/{job}/log",
        "jobs/{job}/log?plain=1",
        "jobs/{job}/log?download=1",
        "jobs/{job}/log?framed=1&from=0",
        "jobs/{job}/log/lines",
        "jobs/{job}/outputs/{output}",
        "results/res-{result}/points.csv",
        "reports/result?id=res-{result}&format=md",
    ],
)
def test_streams_and_files_stay_as_they_are(path, answer):
    points = [(number, {"output_tokens_per_s": 8.5}) for number in range(1, 40)]
    job = ended(DAY, log=LOG, files=1)
    result = make_measured(job=job, points=points)
    (output,) = OutputFile.objects.all()
    (outputs_folder(job.pk) / output.path).write_bytes(LOG)
    path = path.format(job=job.pk, result=result.pk, output=output.pk)

    packed, plain = answer(path), answer(path, "identity")

    assert (packed.status_code, packed.has_header("Content-Encoding")) == (200, False)
    assert packed["Content-Type"] == plain["Content-Type"]
    content = content_of(packed)
    assert content == content_of(plain)
    assert len(content) > 1000


def test_an_answer_that_waits_comes_in_pieces(answer):
    job = make_job()

    waiting = answer(f"jobs/{job.pk}?wait=300")

    assert (waiting.streaming, waiting.has_header("Content-Encoding")) == (True, False)
