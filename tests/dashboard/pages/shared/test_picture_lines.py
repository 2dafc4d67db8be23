"""Lines below saved pictures: a chart leaves the page, and its flags go with it."""

import json
import re

import pytest

from dashboard.pages.shared.marks import picture_lines
from jobs.models import Matrix, MatrixCell
from tests.factories import make_cell, make_endpoint, make_host, make_job, make_measured
from tests.measuring import make_system


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
    assert f"{result.created_at:%b %Y}" in lines


def test_the_picture_of_a_matrix_names_metric_device_and_dates(client, lin):
    host = make_host("va16-01", type="vacc")
    job = make_job(state="succeeded", kind="benchmark", host=host)
    points = [(1, {"output_tokens_per_s": 5.0, "ttft_p50_ms": 9.0})]
    make_measured(job=job, points=points, run_context={"dies": [0, 1]})
    matrix = Matrix.objects.create(title="vendor", kind="benchmark", host=host, spec={})
    make_cell(matrix, 0, job)

    text = client.get(f"/matrices/{matrix.pk}/?picture=1&metric=ttft_p50_ms").text

    assert 'data-label="TTFT p50, ms by lengths and concurrency"' in text
    assert "va16-01, 2 dies, " in re.search(r'id="pictured"[^>]*>(.*?)</script>', text)[1]


def test_each_chart_of_the_trade_off_names_what_it_draws(client, lin):
    hosts = [make_host(f"va16-0{n}", type="vacc") for n in (1, 2)]
    model = {"model_id": "deepseek-r1-distill-qwen-7b", "what": "w"}
    sim, front = (
        make_system(host, 4, [(1, 5.0, 20.0)], simulated=host == hosts[0], **model)
        for host in hosts
    )
    accurate = make_measured(scores=[1, 0, 1], **model | {"what": "questions"})

    text = client.get("/results/tradeoff/").text

    charts = {
        name: json.loads(figure)["layout"]["meta"]["pictured"]
        for name, figure in re.findall(r'id="([\w-]+)-data"[^>]*>(.*?)</script>', text)
    }
    systems = "\n".join(charts.pop("pareto"))
    assert systems.index(f"res-{front.pk}, ") < systems.index(f"res-{sim.pk}, ")
    assert re.search(rf"res-{sim.pk}, .*va16-01, 4 dies, w, simulated, ", systems)
    assert f"res-{accurate.pk}" not in systems
    assert all(f"res-{accurate.pk}, " in "\n".join(lines) for lines in charts.values())
