"""The audit log: page, filters, exports, API."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.models import AuditEntry
from jobs.queries import audit
from jobs.queries.audit import AuditFilters
from tests.dashboard.lib.streams import content_of
from tests.factories import make_deployment, make_host, make_job, make_user

LIST = reverse("audit")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def entry(user=None, action="job.cancel", subject="job 900", at=NOON, **fields):
    return AuditEntry.objects.create(user=user, action=action, subject=subject, at=at, **fields)


def subjects(client, **query):
    page = client.get(LIST, query)
    return [row.entry.subject for row in page.context["rows"]]


# The page


def test_the_page_says_who_did_what_to_what_from_where(client, ada):
    job = make_job()
    deployment = make_deployment()
    make_host("far")
    entry(ada, "job.cancel", f"job {job.pk}", origin="192.0.2.7")
    entry(ada, "deployment.stop", f"deployment {deployment.pk}")
    entry(ada, "host.mark_lost", "host far")
    entry(ada, "user.manage", f"user {ada.pk}", detail={"did": "password"})

    page = client.get(LIST).text

    for text in ("Job cancelled", "192.0.2.7", "ada", "Host marked as lost", "Password reset"):
        assert text in page
    for address in (
        reverse("job-detail", args=[job.pk]),
        reverse("deployment-detail", args=[deployment.pk]),
        reverse("host-detail", args=["far"]),
        reverse("people"),
    ):
        assert f'href="{address}"' in page


def test_what_is_gone_has_no_link(client, ada):
    entry(ada, "job.cancel", "job 12345")
    entry(ada, "host.key", "host gone", detail={"did": "revoke"})

    page = client.get(LIST).text

    assert "Job #12345" in page
    assert "/jobs/12345/" not in page
    assert "/hosts/gone/" not in page


def test_the_page_asks_the_database_a_fixed_number_of_times(client, ada):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(LIST)
        return len(asked)

    entry(ada, subject=f"job {make_job().pk}")
    few = queries()
    for _ in range(20):
        entry(make_user(), subject=f"job {make_job().pk}")

    assert queries() <= few + 1


def test_an_empty_log_says_what_it_will_hold(client, ada):
    page = client.get(LIST).text

    assert "No entries yet." in page
    assert 'class="filters"' not in page


@pytest.mark.postgresql
def test_filters_find_person_action_and_words(client, ada):
    eve = make_user("eve")
    entry(ada, "job.cancel", "job 1", origin="192.0.2.7")
    entry(eve, "job.launch", "job 2", detail={"host": "va16-01"})
    entry(None, "host.add", "host far", origin="manage.py", detail={"name": "夜间比较"})

    assert subjects(client, person="eve") == ["job 2"]
    assert subjects(client, person=":none") == ["host far"]
    assert subjects(client, action="job.cancel") == ["job 1"]
    assert subjects(client, q="192.0.2") == ["job 1"]
    assert subjects(client, q="VA16") == ["job 2"]
    assert subjects(client, q="eve job") == ["job 2"]
    assert subjects(client, q="夜间") == ["host far"]
    assert subjects(client, q="eve far") == []
    assert "No entry matches." in client.get(LIST, {"person": "nobody"}).text


def test_days_are_those_of_the_viewer_and_both_included(client, ada):
    for day in range(4):
        entry(subject=f"job {day}", at=datetime(2026, 11, 24 + day, 23, 30, tzinfo=UTC))

    assert subjects(client, **{"from": "2026-11-25", "to": "2026-11-26"}) == ["job 2", "job 1"]
    client.cookies["tz"] = "Asia/Shanghai"  # half past seven of the next day
    assert subjects(client, **{"from": "2026-11-25", "to": "2026-11-26"}) == ["job 1", "job 0"]


@pytest.mark.parametrize("day", ["never", "2026-13-01", "0001-01-01", "9999-12-31", "2026"])
def test_a_day_that_is_none_gets_an_error_at_its_field(client, ada, day):
    entry()

    answer = client.get(LIST, {"from": day})

    assert answer.status_code == 422
    assert "Enter a day such as" in answer.text
    assert 'aria-describedby="e-from"' in answer.text
    turned = client.get(LIST, {"from": "2026-11-27", "to": "2026-11-26"})
    assert (turned.status_code, "before the first day" in turned.text) == (422, True)
    assert client.get(reverse("audit-export", args=["csv"]), {"to": day}).status_code == 404


@pytest.mark.postgresql
def test_pages_hold_every_entry_once(client, ada):
    made = [
        entry(subject=f"job {number}", at=NOON - timedelta(minutes=number // 3)).pk
        for number in range(120)
    ]

    shown, after = [], ""
    for _ in range(3):
        page = client.get(LIST, {"after": after})
        shown += [row.entry.pk for row in page.context["rows"]]
        after = page.context["after"]

    assert after == ""
    assert sorted(shown) == sorted(made)
    moments = [AuditEntry.objects.get(pk=pk).at for pk in shown]
    assert moments == sorted(moments, reverse=True)


# Exports


def downloaded(client, format, **query):
    answer = client.get(reverse("audit-export", args=[format]), query)
    return answer, content_of(answer).decode()


def test_the_csv_has_what_the_filters_find(client, ada):
    entry(ada, "job.cancel", "job 1", origin="192.0.2.7")
    entry(ada, "token.create", "token 1", detail={"name": "=HYPERLINK(1)", "scope": "read"})
    entry(make_user("@eve"), "job.launch", "job 2")

    answer, text = downloaded(client, "csv", action="token.create")
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    _answer, whole = downloaded(client, "csv")

    assert lines[0] == ["at", "person", "action", "label", "subject", "detail", "origin"]
    assert lines[1] == [
        "2026-11-27T12:00:00Z",
        "ada",
        "token.create",
        "API token created",
        "token 1",
        "name: =HYPERLINK(1), scope: read",
        "",
    ]
    assert len(lines) == 2
    assert "'@eve" in whole  # no formula for a spreadsheet
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')
    assert client.get("/audit/entries.exe").status_code == 404


def test_the_json_lines_are_whole_over_many_pages(client, ada, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 7)
    made = {entry(ada, detail={"n": number}).pk for number in range(20)}

    _answer, text = downloaded(client, "jsonl", action="job.cancel")

    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["id"] for row in rows} == made
    assert rows[0].keys() == {
        *("id", "at", "person", "action", "label", "subject", "detail", "origin", "digest")
    }


# API


@pytest.mark.postgresql
def test_the_api_pages_and_filters(client, ada):
    for number in range(5):
        entry(ada, subject=f"job {number}", at=NOON + timedelta(hours=number))
    entry(ada, "host.add", "host far", at=NOON)

    first = client.get("/api/v1/audit", {"limit": 3, "action": "job.cancel"}).json()
    second = client.get(first["next"]).json()
    late = client.get("/api/v1/audit", {"since": "2026-11-27T15:00:00Z"}).json()
    early = client.get("/api/v1/audit", {"until": "2026-11-27T21:00:00+08:00"}).json()

    assert [row["subject"] for row in first["entries"]] == ["job 4", "job 3", "job 2"]
    assert [row["subject"] for row in second["entries"]] == ["job 1", "job 0"]
    assert second["next"] is None
    assert [row["subject"] for row in late["entries"]] == ["job 4", "job 3"]
    assert [row["subject"] for row in early["entries"]] == ["host far", "job 0"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("since", "yesterday"),
        ("until", "2026-11-27T12:00:00"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("before", "5~never"),
    ],
)
def test_the_api_names_the_field_at_fault(client, ada, field, value):
    answer = client.get("/api/v1/audit", {field: value})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


@pytest.mark.parametrize("detail", [[], "text", 7, {"did": ["x"]}, {"x": {"y": "z" * 50}}])
def test_no_detail_breaks_the_page(client, ada, detail):
    entry(action="user.manage", subject="user x", detail=detail)
    entry(action="job.pin", subject="job 99999999999999999999999", detail=detail)
    entry(action="moon.land", subject="moon", detail={"depth": [1, {"a": None}]})

    page = client.get(LIST).text

    assert "moon.land" in page and "depth" in page
    assert len(downloaded(client, "csv", person=":none")[1].splitlines()) == 4
    assert client.get("/api/v1/audit").status_code == 200


def test_an_entry_that_comes_during_an_export_moves_no_other():
    for number in range(5):
        entry(subject=f"job {number}", at=NOON + timedelta(minutes=number))
    first, after = audit.page(AuditFilters(), size=3)
    entry(subject="job new", at=NOON + timedelta(hours=1))

    rest, _end = audit.page(AuditFilters(), after, size=3)

    assert [one.subject for one in (*first, *rest)] == [f"job {n}" for n in (4, 3, 2, 1, 0)]
