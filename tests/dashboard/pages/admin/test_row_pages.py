"""Rows of the team: members add levels and prompts; owners and administrators change them."""

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from jobs.models import AuditEntry, PromptSet, ServiceLevel
from jobs.queries.results.levels import INCLUDED, Level, team_levels
from tests.factories import make_host, make_level, make_prompts, make_user


def shown(response):
    return html.unescape(response.text)


# Service levels.

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
    page = shown(client.post(reverse("level-add"), TYPED, follow=True))

    row = ServiceLevel.objects.get()
    assert row.limits == {"ttft_p90_ms": 500.0, "latency_p99_s": 12.5}
    assert (row.goodput, row.created_by, row.note) == (0.95, lin, "call centre")
    assert "TTFT p90 ≤ 500 ms, End-to-end latency p99 ≤ 12.5 s, 95 % of requests within all" in page
    assert dict(team_levels().options()).get(str(row.pk)) == Level("Chat", row.limits, 0.95)
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.detail) == ("level.add", {"name": "Chat"})


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
    answer = client.post(reverse("level-add"), TYPED | changed)

    assert answer.status_code == 422
    assert f"<span>{text}</span>" in shown(answer)
    assert 'aria-invalid="true"' in answer.text
    assert not ServiceLevel.objects.exists()


def test_its_owner_changes_removes_and_restores_a_level(client, lin):
    row = make_level(created_by=lin)
    edit, remove, restore = (
        reverse(f"level-{did}", args=[row.pk]) for did in ("edit", "remove", "restore")
    )
    assert 'name="ttft" value="500"' in client.get(edit).text

    client.post(edit, TYPED | {"ttft": "600"})
    row.refresh_from_db()
    assert (row.name, row.limits["ttft_p90_ms"]) == ("Chat", 600.0)

    assert "Chat removed." in client.post(remove, follow=True).text
    assert str(row.pk) not in dict(team_levels().options())
    assert client.get(edit).status_code == 404

    client.post(restore)
    assert dict(team_levels().options())[str(row.pk)].name == "Chat"
    rows = AuditEntry.objects.order_by("pk").values_list("action", "detail")
    assert list(rows) == [
        ("level.change", {"name": "Chat"}),
        ("level.change", {"name": "Chat", "did": "delete"}),
        ("level.change", {"name": "Chat", "did": "undo"}),
    ]


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
    assert "mlperf-chat" not in dict(team_levels().options())

    client.post(address, {"hidden": "0"})
    assert dict(team_levels().options()).get("mlperf-chat").limits == INCLUDED["mlperf-chat"].limits
    assert client.post(reverse("level-hide", args=["other"])).status_code == 404


# Prompts.


LINES = '{"prompt": "Why?"}\n{"prompt": "为什么？\\n请回答。"}\n'.encode()


def upload(client, content=LINES, **typed):
    file = SimpleUploadedFile("own.jsonl", content)
    data = {"name": "Chat", "language": "中文", "file": file, **typed}
    return client.post(reverse("prompt-add"), data, follow=True)


def test_a_member_adds_prompts_and_sees_them(client, lin):
    page = shown(upload(client))

    row = PromptSet.objects.get()
    assert (row.name, row.created_by) == ("Chat", lin)
    assert row.sha256 in page
    assert "为什么？<br>请回答。" in page
    assert "Chat" in shown(client.get(reverse("prompt-list")))
    entry = AuditEntry.objects.get(action="prompts.add")
    assert (entry.detail["prompts"], entry.subject) == (2, f"prompts {row.pk}")


@pytest.mark.parametrize(
    ("content", "typed", "text"),
    [
        (b"Why?\n", {}, "own.jsonl, line 1: no JSON. Write one object a line."),
        (LINES, {"name": ""}, "Enter a name."),
        (LINES, {"language": "x" * 41}, "Enter one line of at most 40 characters."),
        (LINES, {"file": ""}, "Choose a file."),
    ],
)
def test_an_error_stands_at_its_field(client, lin, content, typed, text):
    response = upload(client, content, **typed)

    assert response.status_code == 422
    assert text in shown(response)
    assert not PromptSet.objects.exists()


def test_a_download_has_the_prompts_as_jobs_get_them(client, lin):
    row = make_prompts(name='中文 "x"\\')

    response = client.get(reverse("prompt-file", args=[row.pk]))

    assert response.text == row.text
    assert response["Content-Disposition"].startswith("attachment;")


def test_a_removed_set_stays_readable_and_can_be_restored(client, lin):
    row = make_prompts(name="Chat", created_by=lin)

    page = shown(client.post(reverse("prompt-remove", args=[row.pk]), follow=True))
    assert "Chat removed." in page
    assert "No prompts of the team yet." in page
    detail = shown(client.get(reverse("prompt-detail", args=[row.pk])))
    assert "Removed: forms no longer offer these prompts." in detail
    page = shown(client.post(reverse("prompt-restore", args=[row.pk]), follow=True))

    assert "Chat restored." in page
    assert [(one.action, one.detail.get("did")) for one in AuditEntry.objects.order_by("pk")] == [
        ("prompts.change", "delete"),
        ("prompts.change", "undo"),
    ]


def test_forms_offer_the_sets_of_the_team(client, lin):
    make_prompts(name="Chat")
    make_host("this-computer")

    for kind in ("benchmark", "benchmark-guidellm"):
        form = client.get(reverse("launch-form", args=[kind]), {"prompts": "Chat"}).text
        assert '<option value="Chat" selected>Chat (2)</option>' in form
    online = client.get(reverse("launch-form", args=["benchmark-online"])).text
    assert 'data-when="dataset" data-when-value="custom"' in online
    assert f'href="{reverse("prompt-list")}"' in online


def test_long_prompts_are_cut_on_the_page(client, lin):
    row = make_prompts("x" * 5000, *("Why?" for _ in range(30)))

    page = shown(client.get(reverse("prompt-detail", args=[row.pk])))

    assert "x" * 200 + "…" in page
    assert "x" * 201 not in page
    assert "21 more prompts in the download." in page
