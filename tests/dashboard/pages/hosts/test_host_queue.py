"""A host's queue: its page, permissions, the API, the launch form and the command."""

import json
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import AuditEntry, Job
from jobs.plans import Step
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_deployment, make_host, make_job, make_plan, make_user

JSON = {"headers": {"accept": "application/json"}}


@pytest.fixture
def host():
    """It starts nothing."""
    return make_host("va16-01", draining=True)


def order(host):
    waiting = Job.objects.filter(host=host, state="queued").order_by(*Job.QUEUE_ORDER)
    return list(waiting.values_list("pk", flat=True))


def move(client, job, **where):
    return client.post(reverse("job-move", args=[job.pk]), where, **JSON)


def queue_of(client, host, **query):
    return client.get(reverse("host-queue", args=[host.name]), query)


@pytest.mark.postgresql
def test_the_page_has_the_line_in_its_order_with_why_and_when(admin, host, ada):
    first = make_job(host=host, created_by=ada)
    urgent = make_job(host=host, created_by=ada, priority=Job.Priority.URGENT)

    text = text_of(queue_of(admin, host))

    assert "2 jobs queued for va16-01" in text
    assert text.index(f"#{urgent.pk} ") < text.index(f"#{first.pk} ")
    assert "is paused: no new jobs start there. Start time unknown." in text


def test_a_long_line_has_pages(admin, host, ada, monkeypatch):
    monkeypatch.setattr("dashboard.pages.hosts.PAGE", 2)
    jobs = [make_job(host=host, created_by=ada) for _ in range(5)]

    page = queue_of(admin, host, **{"from": "3"}).text

    assert [f'id="queue-{job.pk}"' in page for job in jobs] == [False, False, True, True, False]
    assert 'href="?from=1"' in page
    assert 'href="?from=5"' in page
    # The job before it is on the other page, and it can still be moved past that job.
    assert f'Move #{jobs[2].pk} up">' in page


def test_the_page_asks_as_often_for_many_jobs(admin, ada, django_assert_max_num_queries):
    host = make_job(state="running").host
    for _ in range(3):
        make_job(host=host, created_by=ada)

    with django_assert_max_num_queries(18):
        queue_of(admin, host)


@pytest.mark.postgresql
def test_a_button_or_script_moves_a_job_and_the_audit_knows(admin, host, ada):
    first, second = (make_job(host=host, created_by=ada) for _ in range(2))

    answer = admin.post(reverse("job-move", args=[second.pk]), {"to": "first", "from": "queue"})

    assert answer["Location"] == f"/hosts/va16-01/queue/#queue-{second.pk}"
    assert order(host) == [second.pk, first.pk]
    entry = AuditEntry.objects.get(action="job.order")
    assert (entry.subject, entry.detail) == (f"job {second.pk}", {"was": 2, "now": 1})
    assert move(admin, first, before=second.pk).json() == {"was": 2, "now": 1}
    Job.objects.filter(pk=first.pk).update(state="starting")
    refused = move(admin, second, after=first.pk)
    assert refused.status_code == 409
    assert refused.json() == {"message": f"Job #{first.pk} is no longer queued on this host."}


def test_a_member_moves_only_their_own_jobs_and_passes_no_others(member, host, lin):
    theirs = make_job(host=host, created_by=make_user())
    own = [make_job(host=host, created_by=lin) for _ in range(2)]

    assert move(member, own[1], to="earlier").status_code == 200
    assert move(member, own[1], to="earlier").status_code == 403
    assert move(member, theirs, to="last").status_code == 403

    assert order(host) == [theirs.pk, own[1].pk, own[0].pk]
    page = queue_of(member, host).text
    assert f"Move #{theirs.pk}" not in page
    assert f'Move #{own[1].pk} up" disabled>' in page


def test_a_member_makes_a_job_less_urgent_only(member, host, lin):
    own = make_job(host=host, created_by=lin)
    address = reverse("job-priority", args=[own.pk])

    member.post(address, {"priority": "low"})
    own.refresh_from_db()
    answer = member.post(address, {"priority": "soon"}, **JSON)

    assert own.priority == Job.Priority.LOW
    assert answer.json() == {"message": "Choose one of urgent, normal, low."}
    assert "Set urgent priority" not in queue_of(member, host).text


def test_a_job_queued_for_an_exclusive_host_can_waive_that(member, host, lin):
    job = make_job(host=host, created_by=lin, exclusive=True)
    assert "Allow other jobs on the host" in member.get(f"/jobs/{job.pk}/").text

    member.post(reverse("job-exclusive", args=[job.pk]), {"exclusive": "0", "from": "job"})

    job.refresh_from_db()
    assert not job.exclusive


def test_a_job_page_shows_its_place_and_start_time(member, lin):
    # An installation is expected from its own.
    of = {"host": make_host(slots=1), "title": "llama.cpp"}
    make_job(**of, state="succeeded", duration_s=3600.0)
    make_job(**of, state="running", progress={"done": 0, "total": 1, "unit": "%"})
    make_job(**of, created_by=lin)
    job = make_job(**of, created_by=lin)

    text = text_of(member.get(f"/jobs/{job.pk}/"))

    assert "1 job ahead in the queue" in text
    assert "Starts in about 2 h (" in text
    assert "if jobs ahead take their typical duration." in text
    assert "Starts in about 2 h" in text_of(member.get("/jobs/"))


@pytest.mark.postgresql
def test_what_waits_for_a_job_is_not_ahead_of_it(admin, host, ada):
    job = make_job(host=host, created_by=ada)
    between = make_job(host=host, created_by=ada, priority=Job.Priority.URGENT)
    behind = make_job(host=host, created_by=ada, priority=Job.Priority.URGENT)
    other = make_job(host=host, created_by=ada, priority=Job.Priority.URGENT)
    between.after.add(job)
    behind.after.add(between)

    assert "1 job ahead in the queue" in text_of(admin.get(f"/jobs/{job.pk}/"))
    rows = admin.get("/api/v1/hosts/va16-01/queue").json()["jobs"]
    ahead = {row["id"]: row["waits"]["ahead"] for row in rows}
    assert ahead == {between.pk: 0, behind.pk: 1, other.pk: 2, job.pk: 1}
    for pk, number in ahead.items():
        assert admin.get(f"/api/v1/jobs/{pk}").json()["waits"]["ahead"] == number


def test_a_job_that_starts_next_is_not_blocked_by_those_ahead(member, lin):
    host = make_host(slots=4, facts={"dies": [{"id": number} for number in range(2)]})
    make_deployment(job=make_job(host=host, state="succeeded", values={"dies": "0,1"}))
    plan = make_plan(steps=(Step("a", ("tool", "{dies}")),), dies=2)
    make_job(host=host, created_by=lin, plan=plan)
    job = make_job(host=host, created_by=lin)

    text = text_of(member.get(f"/jobs/{job.pk}/"))

    assert "1 job ahead does not block this one" in text
    assert "Starts next." in text


def test_a_job_behind_an_ending_one_does_not_start_next(member, lin):
    host = make_host(slots=4)
    of = {"host": host, "created_by": lin, "title": "llama.cpp", "product": {"table": "artifact"}}
    make_job(**of, state="succeeded", duration_s=30.0)
    ends = make_job(**of, state="running", started_at=now() - timedelta(seconds=28))
    job = make_job(host=host, created_by=lin)
    job.after.add(ends)

    text = text_of(member.get(f"/jobs/{job.pk}/"))
    listed = text_of(member.get(f"/jobs/?state={job.state}"))

    assert "Starts in less than a minute, if jobs ahead" in text
    assert "tarts next" not in text + listed
    assert "starts in less than a minute" in listed.lower()


# The API and the command.


def test_the_api_has_the_line_of_a_host(admin, host, ada):
    first = make_job(host=host, created_by=ada)
    second = make_job(host=host, created_by=ada, exclusive=True)

    queue = admin.get("/api/v1/hosts/va16-01/queue").json()

    assert (queue["total"], [job["id"] for job in queue["jobs"]]) == (2, [first.pk, second.pk])
    assert (queue["jobs"][1]["priority"], queue["jobs"][1]["exclusive"]) == ("normal", True)
    waits = queue["jobs"][1]["waits"]
    assert (waits["ahead"], waits["message_id"], waits["starts_in_s"]) == (1, "wait:draining", None)
    assert admin.get(f"/api/v1/jobs/{second.pk}").json()["waits"] == waits
    assert admin.get("/api/v1/hosts/nobody/queue").status_code == 404


def post(client, path, body):
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/api/v1/{path}", text, content_type="application/json")


@pytest.mark.postgresql
def test_the_api_moves_raises_and_waives(admin, host, ada):
    first, second = (make_job(host=host, created_by=ada, exclusive=True) for _ in range(2))

    assert post(admin, f"jobs/{second.pk}/move", {"before": first.pk}).json()["waits"]["ahead"] == 0
    assert post(admin, f"jobs/{first.pk}/priority", {"priority": "urgent"}).status_code == 200
    assert (
        post(admin, f"jobs/{first.pk}/exclusive", {"exclusive": False}).json()["exclusive"] is False
    )

    assert order(host) == [first.pk, second.pk]
    assert post(admin, f"jobs/{first.pk}/priority", {"priority": "x"}).status_code == 422
    assert post(admin, f"jobs/{first.pk}/move", {"to": "moon"}).status_code == 409
    assert post(admin, f"jobs/{first.pk}/move", "no JSON").status_code == 400
    assert post(admin, "jobs/999/move", {"to": "last"}).status_code == 404


def test_the_api_refuses_a_member_what_passes_others(member, host, lin):
    make_job(host=host)
    own = make_job(host=host, created_by=lin)

    assert post(member, f"jobs/{own.pk}/move", {"to": "first"}).status_code == 403
    assert post(member, f"jobs/{own.pk}/priority", {"priority": "urgent"}).status_code == 403


LAUNCH = {"kind": "prepare", "host": "va16-01", "params": {"what": "weights"}}


def test_a_launch_names_its_priority(admin, host):
    form = {"host": "va16-01", "what": "weights", "priority": "low"}
    admin.post(reverse("launch-form", args=["prepare"]), form)
    post(admin, "jobs", {**LAUNCH, "priority": "urgent"})

    assert list(Job.objects.order_by("pk").values_list("priority", flat=True)) == [2, 0]


def test_a_member_launches_nothing_urgent(member, host):
    form = {"host": "va16-01", "what": "weights", "priority": "urgent"}

    answer = member.post(reverse("launch-form", args=["prepare"]), form)

    assert answer.status_code == 422
    assert "Only administrators can move a job ahead of jobs of others." in answer.text
    refused = post(member, "jobs", {**LAUNCH, "priority": "urgent"})
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["priority"])
    assert not Job.objects.exists()


def test_a_command_names_a_priority(host, ada, capsys):
    call_command("launch", "prepare", "--set", "what=weights", host="va16-01", priority="low")

    assert Job.objects.get().priority == Job.Priority.LOW
    with pytest.raises(CommandError, match="invalid choice"):
        call_command("launch", "prepare", "--priority", "soon")
