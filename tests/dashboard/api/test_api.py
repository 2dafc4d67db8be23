import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils.timezone import now
from pydantic import BaseModel

from dashboard.api import jobs
from dashboard.api.app import document
from dashboard.server import downloads
from jobs.models import AuditEntry, Job, Matrix
from tests.factories import make_deployment, make_host, make_job, make_result, make_user
from tests.kept import ended


def _below(base):
    return {one for sub in base.__subclasses__() for one in {sub, *_below(sub)}}


def test_each_schema_of_the_document_is_of_one_class():
    own = (one for one in _below(BaseModel) if one.__module__.startswith(("dashboard.", "jobs.")))
    classes = Counter(one.__name__ for one in own)

    schemas = document()["components"]["schemas"]
    assert [name for name in schemas if classes[name] > 1] == []


def test_a_token_remembers_when_it_was_last_used(api):
    api.get("jobs")

    api.token.refresh_from_db()
    assert api.token.last_used_at is not None


def test_a_session_reads_without_and_writes_with_a_csrf_token():
    job, client = make_job(created_by=make_user("bob")), Client(enforce_csrf_checks=True)
    client.force_login(job.created_by)

    assert client.get("/api/v1/jobs").status_code == 200
    refused = client.post(f"/api/v1/jobs/{job.pk}/cancel")

    assert (refused.status_code, refused.json()["error"]) == (403, "csrf")
    job.refresh_from_db()
    assert job.state == "queued"


def test_a_proxy_s_password_does_not_block_a_session():
    client = Client(headers={"Authorization": "Basic dXNlcjpwYXNz"})
    client.force_login(make_user("carol"))

    assert client.get("/api/v1/jobs").status_code == 200


@pytest.mark.postgresql
def test_jobs_are_listed_newest_first_in_pages(api):
    jobs = [make_job() for _ in range(5)]
    pages, address = [], "http://testserver/api/v1/jobs?limit=2"

    while address:
        page = api.client.get(address, headers=api.headers).json()
        pages.append([row["id"] for row in page["jobs"]])
        address = page["next"]

    numbers = [job.pk for job in reversed(jobs)]
    assert pages == [numbers[:2], numbers[2:4], numbers[4:]]


@pytest.mark.postgresql
def test_jobs_of_the_same_moment_are_listed_once_each(api):
    moment = now()
    numbers = {make_job(created_at=moment).pk for _ in range(5)}

    first = api.get("jobs", limit=2).json()
    second = api.client.get(first["next"], headers=api.headers).json()

    ids = [row["id"] for row in first["jobs"] + second["jobs"]]
    assert len(ids) == 4
    assert set(ids) < numbers


@pytest.mark.postgresql
def test_jobs_are_filtered_by_groups_of_states(api):
    item = {"check": "shm", "message_id": "check:shm", "message_args": {}}
    running, lost = make_job(state="running"), make_job(state="lost")
    unconfirmed = make_job(needs_confirmation=[item])

    def listed(state: str) -> list[int]:
        return sorted(row["id"] for row in api.get("jobs", state=state).json()["jobs"])

    assert listed("open") == sorted([running.pk, unconfirmed.pk])
    assert listed("failed_or_lost") == [lost.pk]
    assert listed("needs_confirmation") == [unconfirmed.pk]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("jobs", {"state": "bogus"}),
        ("jobs", {"kind": "bogus"}),
        ("jobs", {"host": "nowhere"}),
        ("jobs", {"tags": "x"}),
        ("results", {"type": "bogus"}),
        ("results", {"flag": "bogus"}),
        ("results", {"job": "abc"}),
        ("results", {"pinned": "maybe"}),
        ("fleet", {"days": "many"}),
        ("fleet", {"days": "0"}),
        ("deployments", {"state": "bogus"}),
        ("me", {"who": "me"}),
    ],
)
def test_unknown_names_and_values_of_a_query_are_refused_at_their_field(api, path, wrong):
    answer = api.get(path, **wrong)

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, [*wrong])


def test_an_unknown_field_of_a_body_is_refused_at_its_name(api):
    host = make_host()

    answer = api.post("jobs", {"kind": "prepare", "host": host.name, "pritority": "high"})

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["pritority"])
    assert not Job.objects.exists()


def test_an_id_may_be_a_number(api):
    deployment = make_deployment(state="ready")
    body = {"kind": "benchmark", "host": deployment.host.name}

    as_number, as_text = (
        api.post("jobs/preview", {**body, "params": {"deployment": key}}).json()
        for key in (deployment.pk, str(deployment.pk))
    )

    assert as_number == as_text
    assert as_number["plan"]


MOMENTS = ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00")


@pytest.mark.parametrize("path", ["jobs", "results", "deployments"])
def test_a_page_that_cannot_be_is_refused_at_its_field(api, path):
    queries = [{"limit": "0"}, {"limit": "x"}, {"before": "yesterday"}, {"before": "1"}]
    for query in [*queries, *({"before": f"1~{moment}"} for moment in MOMENTS)]:
        answer = api.get(path, **query)
        body = answer.json()
        assert (answer.status_code, body["error"], [*body["fields"]]) == (400, "invalid", [*query])


def test_one_job_is_returned_whole(api):
    job = make_job(message_id="job:queued", created_by=api.user)

    answer = api.get(f"jobs/{job.pk}").json()

    shown = (answer["state"], answer["message"], answer["created_by"])
    assert shown == ("queued", "Queued.", "ada")
    assert answer["plan"] == json.loads(json.dumps(job.plan))
    assert [step["name"] for step in answer["steps"]] == ["fetch", "check"]


def test_progress_has_its_time_as_iso(api):
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    known = {"done": 3, "total": 9, "unit": "requests", "since": since.timestamp()}
    job = make_job(state="running", progress=known)

    progress = api.get(f"jobs/{job.pk}").json()["progress"]

    assert progress == {"done": 3, "total": 9, "unit": "requests", "since": since.isoformat()}


def test_matrices_are_listed_newest_first_in_pages(api):
    host = make_host()
    rows = [Matrix.objects.create(title="", kind="benchmark", host=host, spec={}) for _ in range(3)]

    first = api.get("matrices", limit=2).json()
    second = api.client.get(first["next"], headers=api.headers).json()

    pages = [[row["id"] for row in page["matrices"]] for page in (first, second)]
    assert pages == [[rows[2].pk, rows[1].pk], [rows[0].pk]]
    assert second["next"] is None


def test_a_job_is_previewed_launched_and_noted(api):
    body = {"kind": "prepare", "host": make_host().name, "params": {"what": "weights"}}

    assert api.post("jobs/preview", body).json()["script"].startswith("#!/usr/bin/env bash")
    assert Job.objects.count() == 0
    answer = api.post("jobs", body)

    job = Job.objects.get()
    assert (answer.status_code, answer.json()["id"]) == (201, job.pk)
    assert job.created_by == api.user
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.action, entry.subject) == (api.user, "job.launch", f"job {job.pk}")


def test_a_launch_that_is_refused_says_at_which_field(api):
    body = {"kind": "compile", "host": make_host().name, "params": {"weights": "9"}}

    answer = api.post("jobs", body)

    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == ["weights"]
    assert Job.objects.count() == 0


def test_ones_own_job_is_cancelled_and_noted(api):
    job = make_job(created_by=api.user)

    assert api.post(f"jobs/{job.pk}/cancel").json()["state"] == "cancelled"
    assert api.post(f"jobs/{job.pk}/cancel").json()["error"] == "finished"
    assert AuditEntry.objects.filter(action="job.cancel").count() == 1


def test_a_job_is_run_again(api):
    old = make_job(state="failed")

    answer = api.post(f"jobs/{old.pk}/retry")

    assert answer.status_code == 201
    assert Job.objects.get(pk=answer.json()["id"]).repeats == old


def test_a_restart_on_a_used_port_is_refused_at_its_field(api):
    maker = make_job(state="succeeded", params={"port": 20000})
    stopped = make_deployment(created_by=api.user, job=maker, state="stopped", wanted=False)
    make_deployment(host=maker.host, name="the other")

    answer = api.post(f"deployments/{stopped.pk}/restart")

    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["port"])
    assert "the other" in answer.json()["message"]


def test_ones_own_deployment_is_stopped_and_restarted(api):
    deployment = make_deployment(created_by=api.user)

    assert api.post(f"deployments/{deployment.pk}/stop").json()["state"] == "stopping"
    assert api.post(f"deployments/{deployment.pk}/restart").json()["run"] == 2
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert actions == {"deployment.stop", "deployment.restart"}


def test_a_result_is_returned_with_its_points_and_lengths(api):
    lengths = {"input_tokens_mean": 1019.0, "output_tokens_mean": 272.11}
    remark = {"id": "evaluate:few_questions", "args": {"questions": 3}}
    asked = {"input_tokens": 1024, "output_tokens": 1024}
    result = make_result(remarks=[remark], asked=asked, metrics=lengths)
    result.points.create(index=0, concurrency=4, metrics=lengths)

    answer = api.get(f"results/res-{result.pk}").json()

    measured = {"input_tokens": 1019.0, "output_tokens": 272.11}
    assert (answer["metrics"], answer["asked"], answer["measured"]) == (lengths, asked, measured)
    assert answer["points"] == [{"concurrency": 4, "metrics": lengths, "measured": measured}]
    assert answer["remarks"] == ["Only 3 questions: the 95 % confidence interval is wide."]
    assert answer["answers"] == []


def test_results_can_be_narrowed(api):
    result = make_result()
    make_result()

    (row,) = api.get("results", job=result.job_id).json()["results"]
    assert row["id"] == f"res-{result.pk}"
    assert api.get("results", deployment=0).json()["results"] == []
    assert api.get("results", model="nothing").json()["results"] == []


def test_hosts_say_whether_they_are_away(api):
    make_host("here")
    make_host("there", heartbeat_at=now() - timedelta(seconds=100))

    away = {row["name"]: row["away"] for row in api.get("hosts").json()["hosts"]}

    assert away == {"here": False, "there": True}


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("path", "make", "queries"),
    [("jobs", make_job, 4), ("results", make_result, 4), ("deployments", make_deployment, 2)],
)
def test_a_list_takes_as_many_queries_however_long_it_is(
    api, path, make, queries, count, django_assert_num_queries
):
    for _ in range(count):
        make()
    api.get(path)  # the token's last use is written now

    with django_assert_num_queries(queries):
        assert len(api.get(path).json()[path]) == count


def test_an_unknown_api_address_is_answered_in_json(api):
    for path in ("nowhere", "jobs/1/nowhere", "jobs/x"):
        body = api.post(path, {}).json()
        assert body["error"] == "path" and f"/api/v1/{path}" in body["message"]
    below_host = api.client.get("/api/v1/host/nowhere", headers={"Authorization": "Bearer x"})
    assert below_host.status_code == 404  # no wrong key


def reading(api):
    api.user.api_tokens.update(scope="read")
    return api


@pytest.mark.parametrize(
    ("ask", "status", "code", "fields"),
    [
        (lambda api: api.get("jobs", limit="x"), 400, "invalid", ["limit"]),
        (lambda api: api.post("jobs", {"kind": "x"}), 400, "invalid", ["host"]),
        (lambda api: api.post("jobs", [1]), 400, "invalid", []),
        (lambda api: api.post("jobs", {"kind": "x", "host": "nobody"}), 400, "invalid", ["host"]),
        (lambda api: api.post("jobs/1/pin", {"pinned": 3}), 400, "invalid", ["pinned"]),
        (lambda api: api.post("jobs/1/move", {"before": 10**18}), 400, "invalid", ["before"]),
        (lambda api: Client().get("/api/v1/jobs"), 401, "login", []),
        (lambda api: reading(api).post("jobs/1/cancel"), 403, "scope", []),
        (lambda api: api.get("results/res-9"), 404, "missing", []),
        (lambda api: api.get("nowhere"), 404, "path", []),
        (lambda api: api.post("results"), 405, "method", []),
        (lambda api: api.post("hosts/x/queue"), 405, "method", []),
        (lambda api: api.post("jobs", "x" * 3_000_000), 413, "size", []),
        (lambda api: api.get("jobs?text=%00"), 400, "invalid", []),
    ],
)
def test_every_error_has_one_shape(api, ask, status, code, fields):
    answer = ask(api)

    body = answer.json()
    assert (answer.status_code, body["error"], list(body["fields"])) == (status, code, fields)
    assert set(body) == {"error", "message", "fields"}
    assert body["message"] and all(body["fields"].values())


def test_what_a_launch_lacks_is_named(api):
    assert "“host” is missing." in api.post("jobs", {"kind": "prepare"}).json()["message"]


def test_an_internal_error_has_the_same_shape(api, monkeypatch):
    def breaks(*_arguments, **_more):
        raise RuntimeError("broken")

    monkeypatch.setattr(jobs.queries, "page", breaks)
    api.client.raise_request_exception = False

    answer = api.get("jobs")

    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "broken" not in answer.text


def test_a_wrong_method_names_the_right_ones(api):
    answer = api.client.delete("/api/v1/jobs", headers=api.headers)

    assert answer.headers["Allow"] == "GET, HEAD, POST"


def test_a_long_log_is_sent_piece_by_piece(api, monkeypatch):
    monkeypatch.setattr(downloads, "PIECE_BYTES", 1)

    assert api.get(f"jobs/{ended().pk}/log").streaming
