"""Downloads by token."""

from django.urls import reverse

from jobs.models import PointBlock
from tests.factories import make_job, make_measured
from tests.kept import DAY, ended


def test_an_output_is_found_by_its_address_and_checked_by_its_sum(api):
    job = ended(DAY, files=1)
    (output,) = api.get(f"jobs/{job.pk}").json()["outputs"]

    answer = api.client.get(output["address"], headers=api.headers)
    part = api.client.get(output["address"], headers={**api.headers, "Range": "bytes=2-4"})

    assert (answer.status_code, answer.content) == (200, b"0123456789")
    assert answer.headers["ETag"] == f'"{output["sha256"]}"'
    assert (part.status_code, part.content) == (206, b"234")


def test_a_script_and_tables_are_those_of_the_pages(api, client):
    client.force_login(api.user)
    points = [(4, {"output_tokens_per_s": 8.5})]
    result = make_measured(job=ended(DAY, created_by=api.user), points=points)

    script = api.get(f"jobs/{result.job_id}/reproduce.sh")
    table = api.get(f"results/res-{result.pk}/points.csv")
    requests = api.get(f"results/res-{result.pk}/requests.csv")

    assert script.content == client.get(reverse("job-script", args=[result.job_id])).content
    assert script.content.startswith(b"#!")
    assert table.content == client.get(reverse("result-file", args=[result.pk, "csv"])).content
    assert "8.5" in table.text
    assert "concurrency" in requests.text


def test_curves_go_on_from_their_cursor(api):
    job = ended(DAY)
    for offset, watch in enumerate(("dies", "engine")):
        PointBlock.objects.create(
            job=job, offset=offset, watch=watch, rows=[[1.0, {"vllm:num_requests_running": 1}]]
        )

    first = api.get(f"jobs/{job.pk}/points").json()
    second = api.get(f"jobs/{job.pk}/points", after=first["after"]).json()

    assert (first["open"], first["after"], second["after"]) == (False, 1, 1)
    assert any(series["t"] for series in first["series"].values())
    assert not any(series["t"] for series in second["series"].values())


def test_head_of_what_could_wait_or_go_on_answers_at_once(api):
    job = make_job()
    paths = (f"jobs/{job.pk}?wait=300", f"jobs/{job.pk}/events?log_from=0")

    answers = [api.client.head(f"/api/v1/{path}", headers=api.headers) for path in paths]

    assert [(answer.status_code, answer.streaming) for answer in answers] == [(200, False)] * 2


def test_an_answer_that_is_known_is_not_sent_again(api):
    job = ended(DAY)
    first = api.get(f"jobs/{job.pk}")

    known = {**api.headers, "If-None-Match": first.headers["ETag"]}
    second = api.client.get(f"/api/v1/jobs/{job.pk}", headers=known)

    assert (second.status_code, second.content) == (304, b"")
