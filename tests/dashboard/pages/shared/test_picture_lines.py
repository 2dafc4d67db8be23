"""Lines below saved pictures: a chart leaves the page, and its flags go with it."""

import json
import re

import pytest

from dashboard.pages.shared.marks import picture_lines
from jobs.models import Matrix, MatrixCell
from tests.factories import make_endpoint, make_host, make_job, make_measured


def test_a_result_has_model_device_workload_flags_and_date():
    host = make_host("va16-01")
    job = make_job(state="succeeded", kind="benchmark", host=host)
    ours = make_measured(job=job, simulated=True, loaded=True, run_context={"dies": [0, 1]})
    device = {"device": {"text": "8 × H800", "count": 8}}
    theirs = make_measured(endpoint=make_endpoint("H800"), run_context=device)

    first, second = picture_lines([ours, theirs])

    for words in (f"res-{ours.pk}, ", "va16-01, 2 dies", ours.what, "simulated, loaded host"):
        assert words in first
    assert f"{ours.created_at:%b %Y}" in first
    assert "8 × H800" in second and "external" in second and "simulated" not in second


@pytest.mark.parametrize("of", ["job", "matrix", "result"])
def test_a_page_with_charts_gives_them_to_the_picture(client, lin, of):
    host = make_host("sim", type="simulated")
    job = make_job(state="succeeded", kind="benchmark", host=host)
    points = [(1, {"output_tokens_per_s": 5.0})]
    result = make_measured(job=job, simulated=True, loaded=True, points=points)
    matrix = Matrix.objects.create(title="vendor", kind="benchmark", host=host, spec={})
    MatrixCell.objects.create(
        matrix=matrix, job=job, row=0, column=0, place=0, output_tokens=64, concurrency=1
    )
    pages = {
        "job": f"/jobs/{job.pk}/",
        "matrix": f"/matrices/{matrix.pk}/?picture=1",
        "result": f"/results/res-{result.pk}/",
    }

    text = client.get(pages[of]).text

    (lines,) = json.loads(re.search(r'id="pictured"[^>]*>(.*?)</script>', text)[1])
    assert "sim" in lines and ", simulated, loaded host, " in lines
