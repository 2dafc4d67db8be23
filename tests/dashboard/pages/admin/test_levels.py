"""Service levels: members add, owners and administrators change, removal can be undone."""

import html

import pytest
from django.urls import reverse

from jobs.models import AuditEntry, ServiceLevel
from jobs.queries.results.levels import INCLUDED, Level, team_levels
from tests.factories import make_level, make_user

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("level-list"), reverse("level-add")
TYPED = {
    "name": "Chat",
    "ttft": "500",
    "ttft_share": "p90",
    "tpot": "",
    "tpot_share": "p90",
    "latency": "12.5",
    "latency_share": "p99",
    "goodput": "95",
    "note": "call centre",
}


def test_a_member_adds_a_level(client, lin):
    page = html.unescape(client.post(ADD, TYPED, follow=True).text)

    row = ServiceLevel.objects.get()
    assert row.limits == {"ttft_p90_ms": 500.0, "latency_p99_s": 12.5}
    assert (row.goodput, row.created_by, row.note) == (0.95, lin, "call centre")
    assert "TTFT p90 ≤ 500 ms, End-to-end latency p99 ≤ 12.5 s, 95 % of requests within all" in page
    assert dict(team_levels().options()).get(str(row.pk)) == Level("Chat", row.limits, 0.95)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"name": " "}, "Enter a name."),
        ({"note": "x" * 201}, "Enter one line of at most 200 characters."),
        ({"ttft": "fast"}, "Enter a number above 0, such as 450."),
        ({"ttft": "nan"}, "Enter a number above 0, such as 450."),
        ({"ttft": "inf"}, "Enter a number above 0, such as 450."),
        ({"ttft": "-1"}, "Enter a number above 0, such as 450."),
        ({"ttft": "1e99"}, "Enter a number above 0, such as 450."),
        ({"ttft_share": "p42"}, "Choose the percentile."),
        ({"ttft": "", "latency": ""}, "Enter at least one limit."),
        ({"goodput": "0"}, "Enter a percentage from 1 to 100, or nothing."),
        ({"goodput": "101"}, "Enter a percentage from 1 to 100, or nothing."),
    ],
)
def test_a_wrong_part_is_named_at_its_field(client, lin, changed, text):
    answer = client.post(ADD, TYPED | changed)

    assert answer.status_code == 422
    assert f"<span>{text}</span>" in html.unescape(answer.text)
    assert 'aria-invalid="true"' in answer.text
    assert not ServiceLevel.objects.exists()


def test_its_owner_changes_a_level(client, lin):
    row = make_level(created_by=lin)
    edit = reverse("level-edit", args=[row.pk])
    assert 'name="ttft" value="500"' in client.get(edit).text

    client.post(edit, TYPED | {"ttft": "600"})

    row.refresh_from_db()
    assert (row.name, row.limits["ttft_p90_ms"]) == ("Chat", 600.0)


def test_a_removed_level_is_restored(client, lin):
    row = make_level(name="Chat", created_by=lin)

    page = client.post(reverse("level-remove", args=[row.pk]), follow=True).text
    assert "Chat removed." in page
    assert dict(team_levels().options()).get(str(row.pk)) is None
    assert client.get(reverse("level-edit", args=[row.pk])).status_code == 404

    client.post(reverse("level-restore", args=[row.pk]))
    assert dict(team_levels().options()).get(str(row.pk)).name == "Chat"


@pytest.mark.postgresql
def test_a_restored_name_that_is_taken_is_refused(client, lin):
    row = make_level(name="Chat", created_by=lin)
    client.post(reverse("level-remove", args=[row.pk]))
    make_level(name="Chat")

    page = client.post(reverse("level-restore", args=[row.pk]), follow=True).text

    assert "Another service level has this name." in page
    assert dict(team_levels().options()).get(str(row.pk)) is None


def test_an_administrator_hides_and_shows_an_included_level(client):
    client.force_login(make_user("ada", is_staff=True))
    address = reverse("level-hide", args=["mlperf-chat"])

    client.post(address, {"hidden": "1"})
    assert dict(team_levels().options()).get("mlperf-chat") is None
    assert "mlperf-chat" not in dict(team_levels().options())

    client.post(address, {"hidden": "0"})
    assert dict(team_levels().options()).get("mlperf-chat").limits == INCLUDED["mlperf-chat"].limits
    assert client.post(reverse("level-hide", args=["other"])).status_code == 404


def test_changes_are_in_the_audit_log(client, lin):
    client.post(ADD, TYPED)
    row = ServiceLevel.objects.get()
    client.post(reverse("level-edit", args=[row.pk]), TYPED)
    client.post(reverse("level-remove", args=[row.pk]))
    client.post(reverse("level-restore", args=[row.pk]))

    rows = AuditEntry.objects.order_by("pk").values_list("action", "detail")
    assert list(rows) == [
        ("level.add", {"name": "Chat"}),
        ("level.change", {"name": "Chat"}),
        ("level.change", {"name": "Chat", "did": "delete"}),
        ("level.change", {"name": "Chat", "did": "undo"}),
    ]


def test_a_viewer_reads_levels_only(client):
    client.force_login(make_user("vi", role="viewer"))
    row = make_level()

    page = client.get(LIST).text

    assert row.name in page
    assert ADD not in page
    assert reverse("level-edit", args=[row.pk]) not in page


def test_included_levels_are_those_of_the_rules():
    limits = {
        one.source: (one.limits["ttft_p99_ms"], one.limits["tpot_p99_ms"])
        for one in INCLUDED.values()
    }

    # inference_rules.adoc of mlcommons/inference_policies, 2026-07-23.
    assert limits == {
        "MLPerf Inference 4.0, Llama 2 70B, Server": (2000, 200),
        "MLPerf Inference 5.0, Llama 2 70B, Interactive": (450, 40),
        "MLPerf Inference 5.1, DeepSeek-R1, Server": (2000, 80),
        "MLPerf Inference 6.0, DeepSeek-R1, Interactive": (1500, 15),
    }
