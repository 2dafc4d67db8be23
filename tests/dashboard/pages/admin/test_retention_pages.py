"""Pins, removed logs and the Storage page, as pages, API and commands show them."""

import json
import re
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import translation
from django.utils.timezone import now

from dashboard import tasks
from dashboard.consumers import NOT_FOUND, LogConsumer, RefusedError
from dashboard.server import health
from dashboard.text.retention import removed_words, span_text
from jobs.models import AuditEntry, Job, OutputFile
from jobs.plans import Plan, Step, Watch
from jobs.queries.storage import last_count
from jobs.services.upkeep import retention
from tests.factories import (
    make_deployment,
    make_host,
    make_job,
    make_measured,
    make_result,
    make_user,
)
from tests.kept import DAY, LOG, ended, over

WATCHED = Plan(
    kind="benchmark",
    steps=(Step("measure", ("true",)),),
    watches=(Watch("engine", "http://127.0.0.1:1/metrics", ("tokens",)),),
)


@pytest.fixture(autouse=True)
def limits(settings):
    settings.RETENTION_AGE_S, settings.RETENTION_SIZE_BYTES = 90 * 86400, None
    return settings


def removed(**fields):
    job = ended(**fields)
    retention.apply_retention()
    job.refresh_from_db()
    assert job.removed_at is not None
    return job


def pinned(job):
    retention.pin(job.pk, None)
    return job


def text_of(client, name, *args, query=""):
    answer = client.get(reverse(name, args=args) + query)
    assert answer.status_code == 200
    return answer.text


# Pins


def test_a_pin_on_a_job_page_has_its_person_and_is_taken_away_again(client, lin):
    job = ended(DAY)
    address = reverse("job-pin", args=[job.pk])

    kept = client.post(address, {"pinned": "1"}, follow=True)
    ended_now = client.post(address, {"pinned": "0"}, follow=True)

    assert kept.redirect_chain == [(reverse("job-detail", args=[job.pk]), 302)]
    words = "Log and files are kept by lin. Only lin or an administrator can stop this."
    assert words in kept.text and "Stop keeping files" in kept.text
    words = "Files are no longer kept: log and files may be removed from tomorrow on."
    assert words in ended_now.text
    job.refresh_from_db()
    assert (job.pinned_at, job.pinned_by) == (None, None)
    entries = AuditEntry.objects.order_by("pk")
    assert [entry.detail for entry in entries] == [{"pinned": True}, {"pinned": False}]
    assert {(one.user, one.action, one.subject) for one in entries} == {
        (lin, "job.pin", f"job {job.pk}")
    }


def test_only_its_owner_and_administrators_are_offered_the_end_of_a_pin(client, lin):
    root = make_user("root", is_staff=True)
    job = make_result(job=ended(DAY)).job
    retention.pin(job.pk, root)
    address = reverse("job-pin", args=[job.pk])

    text = text_of(client, "job-detail", job.pk)
    assert "Only root or an administrator can stop this" in text
    for page in (text, text_of(client, "result-list")):
        assert address not in page

    client.force_login(make_user("another", is_staff=True))
    assert "Stop keeping files" in text_of(client, "job-detail", job.pk)
    assert address in text_of(client, "result-list")


def test_the_button_returns_to_the_list_as_it_was(client, lin):
    job = ended(DAY)
    address = reverse("job-pin", args=[job.pk])

    back = client.post(address, {"pinned": "1", "next": "/results/?type=benchmark&pinned=1"})
    away = client.post(address, {"pinned": "0", "next": "https://example.org/"})
    word = client.post(address, {"pinned": "1", "next": "jobs"})

    assert back.headers["Location"] == "/results/?type=benchmark&pinned=1"
    assert away.headers["Location"] == reverse("job-detail", args=[job.pk])
    assert word.headers["Location"] == "jobs"


def test_a_job_whose_files_are_gone_cannot_be_pinned(client, lin):
    job = removed()

    answer = client.post(reverse("job-pin", args=[job.pk]), {"pinned": "1"}, follow=True)
    status, of_api = pin(client, job.pk, {"pinned": True})

    assert "Nothing to keep" in answer.text
    assert reverse("job-pin", args=[job.pk]) not in answer.text
    assert (status, of_api["error"]) == (410, "removed")
    assert pin(client, 10**9, {"pinned": True})[0] == 404
    assert not AuditEntry.objects.exists()


def test_results_have_a_pin_in_their_list_and_on_their_page(client, lin):
    result = make_result(job=ended(DAY))
    pin_it = reverse("job-pin", args=[result.job_id])

    listed, shown = text_of(client, "result-list"), text_of(client, "result-detail", result.pk)

    assert f'formaction="{pin_it}" name="pinned" value="1"' in listed
    assert f'<span class="vh">Keep files of #{result.job_id}</span>' in listed
    assert f'action="{pin_it}"' in shown


@pytest.mark.postgresql
def test_results_and_jobs_can_be_filtered_by_pin(client, lin):
    kept, other = make_result(job=ended(DAY)), make_result(job=ended(DAY))
    retention.pin(kept.job_id, lin)

    results = client.get(reverse("result-list") + "?pinned=1")
    jobs = client.get(reverse("job-list") + "?pinned=1")

    assert [row.pk for row in results.context["page"].results] == [kept.pk]
    assert results.context["page"].total == 1
    assert [row.job.pk for row in jobs.context["rows"]] == [kept.job_id]
    assert 'name="pinned" value="1" checked' in results.text
    assert 'name="pinned" value="1" checked' in jobs.text
    # Each page of a list keeps it.
    assert "pinned=1" in jobs.context["query"]
    assert other.job_id not in results.context["page"].pinned


def pin(client, number, body):
    """Return status and answer of the API."""
    address = reverse("api-job-pin", args=[number])
    answer = client.post(address, json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def test_the_api_pins_and_unpins(client, lin):
    job = ended(DAY)

    for wanted in (True, False):
        assert pin(client, job.pk, {"pinned": wanted})[1]["pinned"] is wanted
    for wrong in ({"pinned": "yes"}, {}, [], None):
        status, answer = pin(client, job.pk, wrong)
        assert (status, answer["error"]) == (400, "invalid")
    assert client.get("/api/v1/jobs?pinned=1").json()["jobs"] == []
    retention.pin(job.pk, None)
    assert [row["id"] for row in client.get("/api/v1/jobs?pinned=1").json()["jobs"]] == [job.pk]
    result = make_result(job=job)
    make_result()
    rows = client.get("/api/v1/results?pinned=1").json()["results"]
    assert [row["id"] for row in rows] == [f"res-{result.pk}"]


# What was removed


def test_the_page_says_what_was_removed_when_why_and_what_stays(client, lin):
    job = removed(files=4, plan=WATCHED, points=2)

    text = text_of(client, "job-detail", job.pk)

    date = f"{now():%-d %b %Y}"
    assert (
        f"The log (8 B) and 4 files were removed on {date} because their age exceeded 90 days"
        " (RETENTION_AGE). Command, steps and results stay." in text
    )
    assert job.log_sha256 in text
    assert "data-log-url" not in text
    assert reverse("job-output", args=[job.pk, job.outputs.first().pk]) not in text
    assert "Chart data was removed with the log." in text
    assert "data-live-chart" not in text


def test_each_reason_has_a_text(limits):
    job = removed()
    assert removed_words(job).startswith("The log (8 B) was removed on ")
    assert "because its age exceeded 90 days (RETENTION_AGE)." in removed_words(job)

    job.removed_why, job.removed_args = "size", {"retention_size_bytes": 200 * 10**9}
    assert "because storage exceeded 200 GB (RETENTION_SIZE)." in removed_words(job)

    job.removed_why, job.removed_args = "person", {"user": "ada"}
    assert removed_words(job).endswith("by ada. Command, steps and results stay.")
    with translation.override("zh-hans"):
        assert "ada" in removed_words(job)
    assert removed_words(make_job()) == ""
    assert [span_text(days * 86400) for days in (1, 90)] == ["1 day", "90 days"]
    assert span_text(36 * 3600) == "1 d 12 h"


def test_results_and_servers_keep_their_pages_after_their_files_are_gone(client, lin):
    job, server = ended(files=1), over()
    result = make_measured(points=[(1, {"output_tokens_per_s": 61.9})], job=job)
    retention.apply_retention()

    text = text_of(client, "result-detail", result.pk)
    of_server = text_of(client, "deployment-detail", server.pk)

    assert "61.9" in text
    assert "The log (8 B) and 1 file were removed on" in text
    assert reverse("job-output", args=[job.pk, job.outputs.get().pk]) not in text
    assert "The log (8 B) was removed on" in of_server
    assert "History and results stay." in of_server and "data-log-url" not in of_server


@pytest.mark.parametrize("rest", ["", "/lines", "/search", "/index", "/folds", "/steps"])
def test_every_address_of_a_removed_log_answers_410(client, lin, rest):
    job = removed()

    answer = client.get(f"/api/v1/jobs/{job.pk}/log{rest}")

    assert answer.status_code == 410
    body = answer.json()
    assert (body["error"], body["why"]) == ("removed", "age")
    assert (body["log_bytes"], body["log_sha256"]) == (len(LOG), job.log_sha256)
    assert body["message"] == removed_words(job)


def test_the_socket_of_a_removed_log_is_refused_for_good():
    consumer = LogConsumer()
    kwargs = {"kind": "job", "record_id": removed().pk}
    consumer.scope = {"url_route": {"kwargs": kwargs}, "query_string": b"from=0"}

    with pytest.raises(RefusedError) as refused:
        consumer.subject()

    assert refused.value.args == (NOT_FOUND,)


def test_outputs_points_and_log_that_were_removed_say_so(client, lin):
    job, kept = removed(files=1, points=1), ended(DAY)
    output = OutputFile.objects.get(job=job)

    for name, args in (("job-output", [job.pk, output.pk]), ("job-points", [job.pk])):
        answer = client.get(reverse(name, args=args))
        assert (answer.status_code, answer.json()["error"]) == (410, "removed")
    about = client.get(f"/api/v1/jobs/{job.pk}").json()
    assert about["removed"]["why"] == "age"
    assert (about["log_bytes"], about["log_sha256"]) == (len(LOG), job.log_sha256)
    assert client.get(f"/api/v1/jobs/{kept.pk}").json()["removed"] is None
    with pytest.raises(CommandError, match="were removed on"):
        call_command("log", str(job.pk))


def test_a_page_says_a_week_ahead_that_its_files_will_go(client, lin):
    soon, later = ended(84 * DAY), ended(82 * DAY)
    retention.apply_retention()

    text = text_of(client, "job-detail", soon.pk)

    when = soon.finished_at + timedelta(days=90)
    assert f"will be removed on {when:%-d %b %Y}: retention 90 days (RETENTION_AGE)." in text
    assert "Use “Keep files” to retain them." in text
    assert "will be removed" not in text_of(client, "job-detail", later.pk)
    retention.pin(soon.pk, lin)
    assert "will be removed" not in text_of(client, "job-detail", soon.pk)


@pytest.mark.postgresql
def test_the_scheduled_task_does_one_round_however_many_ask():
    first = ended()
    tasks.apply_retention()
    second = ended()
    tasks.apply_retention()

    first.refresh_from_db()
    second.refresh_from_db()
    assert first.removed_at is not None
    assert second.removed_at is None


# The Storage page


def test_storage_of_a_new_dashboard_is_shown_as_empty(admin, limits):
    limits.RETENTION_AGE_S = None

    text = text_of(admin, "storage")

    assert "No job measured yet" in text
    assert "RETENTION_AGE and RETENTION_SIZE are not set" in text


@pytest.mark.postgresql
def test_storage_shows_sizes_limits_and_next_removals(client, ada, limits):
    limits.RETENTION_SIZE_BYTES = 10**9
    big, old = ended(2 * DAY, log=b"x" * 5000), ended(80 * DAY)
    server = over(70 * DAY)
    retention.apply_retention()

    answer = client.get(reverse("storage"))

    assert answer.context["biggest"][0] == big
    first, *others = answer.context["next_rows"]
    assert (first["bulk"].type, first["bulk"].id, first["why"]) == ("job", old.pk, "age")
    assert {(row["bulk"].type, row["bulk"].id) for row in others} >= {("deployment", server.pk)}
    assert "90 days" in answer.text
    assert reverse("storage-remove", args=[big.pk]) in answer.text
    assert answer.context["counted"] == last_count()


def test_the_sizes_are_not_counted_at_each_look(client, ada, django_assert_max_num_queries):
    for _ in range(3):
        ended(2 * DAY)
    retention.apply_retention()

    with django_assert_max_num_queries(25):
        client.get(reverse("storage"))


def test_storage_above_the_limit_is_reported(client, ada, limits):
    limits.RETENTION_AGE_S, limits.RETENTION_SIZE_BYTES = None, 10
    make_job(state="running", log_bytes=5000)
    retention.apply_retention()

    assert "Storage exceeds RETENTION_SIZE." in text_of(client, "storage")


def test_removing_by_hand_asks_first_and_is_written_down(client, ada):
    job = ended(DAY, files=2)
    address = reverse("storage-remove", args=[job.pk])

    asked = client.get(address).text
    assert "This cannot be undone." in asked
    job.refresh_from_db()
    assert job.removed_at is None

    answer = client.post(address, follow=True)

    job.refresh_from_db()
    assert (job.removed_why, job.removed_args) == ("person", {"user": "ada"})
    assert "The log (8 B) and 2 files were removed on" in answer.text
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.subject) == ("storage.manage", f"job {job.pk}")
    assert entry.detail == {"bytes": job.removed_bytes}


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: make_job(state="running"), "Not removed: the job has not ended."),
        (lambda: pinned(ended(DAY)), "Not removed: its files are kept."),
        (lambda: make_deployment(job=ended(DAY)).job, "is running."),
        (lambda: removed(), "was removed on"),
    ],
)
def test_what_may_not_be_removed_is_not_and_the_page_says_why(admin, make, reason):
    job = make()
    before = Job.objects.values().get(pk=job.pk)

    asked = admin.get(reverse("storage-remove", args=[job.pk])).text
    answer = admin.post(reverse("storage-remove", args=[job.pk]), follow=True)

    assert reason in asked and "Remove log and files" not in asked
    assert reason in answer.text
    after = Job.objects.values().get(pk=job.pk)
    assert {**after, "stored_bytes": 0} == {**before, "stored_bytes": 0}


def test_the_overview_shows_a_disk_that_is_nearly_full(client, monkeypatch):
    make_job(state="running")
    monkeypatch.setattr("dashboard.pages.home.low_disk_bytes", lambda: 900_000_000)

    client.force_login(make_user("ada", is_staff=True))
    assert f'href="{reverse("storage")}">View storage usage' in text_of(client, "overview")

    client.force_login(make_user("lin"))
    text = text_of(client, "overview")
    assert "Dashboard disk almost full" in text and "Contact an administrator." in text
    assert "View storage usage" not in text


def test_low_space_is_shown_before_logs_stop(monkeypatch):
    class Usage:
        total, free = 10**12, 4 * 10**9

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    assert health.low_disk_bytes() == 4 * 10**9
    Usage.free = 60 * 10**9
    assert health.low_disk_bytes() is None
    assert health.disk()["ok"]
    Usage.free = 10**6
    assert reverse("storage") in health.disk()["error"]


# Disk usage of jobs' shared outputs on hosts, on the page about storage.


def measured(*, minutes_ago=5, **sizes):
    at = (now() - timedelta(minutes=minutes_ago)).timestamp()
    return {name: {"bytes": count, "at": at} for name, count in sizes.items()}


def test_each_host_shows_its_usage_and_measuring_time(admin):
    usages = {
        "whole": measured(environments=1_300_000_000, weights=98_000_000, artifacts=0),
        "part": measured(weights=98_000_000),
        "odd": {"weights": {"bytes": "much", "at": None}, "x": 3},
        "far": {"weights": {"bytes": 1, "at": 1e300}},
        "older": {},
    }
    for name, usage in usages.items():
        make_host(name, type="vacc", load={"disk_usage": usage} if usage else {})
    ahead = {"disk_usage": measured(minutes_ago=-30, weights=1)}
    make_host("ahead", type="vacc", clock_skew_s=3600.0, load=ahead)

    table = admin.get(reverse("storage")).text.partition('id="disk-usage-title"')[2]
    rows = table.partition("</tbody>")[0].split("<tr")[2:]
    shown = {row.partition("<b>")[2].partition("</b>")[0]: row for row in rows}

    whole = " ".join(re.sub("<[^>]+>", " ", shown["whole"]).split())
    for words in ("1.30 GB", "98.0 MB", "0 B", "5 min ago"):
        assert words in whole
    # What is not reported is never zero.
    unmeasured = {name: row.count("not measured") for name, row in shown.items()}
    assert unmeasured == {"whole": 1, "part": 3, "odd": 1, "far": 1, "older": 1, "ahead": 3}
    assert "30 min ago" in shown["ahead"]  # by the dashboard's clock
