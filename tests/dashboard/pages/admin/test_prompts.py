"""Pages of prompt sets: members add, owners and administrators remove, removal can be undone."""

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from jobs.models import AuditEntry, PromptSet
from tests.factories import make_host, make_prompts, make_user

pytestmark = pytest.mark.django_db

LIST, ADD = reverse("prompt-list"), reverse("prompt-add")
LINES = '{"prompt": "Why?"}\n{"prompt": "为什么？\\n请回答。"}\n'.encode()


def upload(client, content=LINES, **typed):
    file = SimpleUploadedFile("own.jsonl", content)
    data = {"name": "Chat", "language": "中文", "file": file, **typed}
    return client.post(ADD, data, follow=True)


def shown(response):
    return html.unescape(response.text)


def test_a_member_adds_prompts_and_sees_them(client, lin):
    page = shown(upload(client))

    row = PromptSet.objects.get()
    assert (row.name, row.created_by) == ("Chat", lin)
    assert row.sha256 in page
    assert "为什么？<br>请回答。" in page
    assert "Chat" in shown(client.get(LIST))
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


def test_the_removal_of_somebody_else_s_set_is_not_offered(client, lin):
    make_prompts(created_by=make_user())

    assert "Remove</button>" not in client.get(LIST).text


def test_forms_offer_the_sets_of_the_team(client, lin):
    make_prompts(name="Chat")
    make_host("this-computer")

    for kind in ("benchmark", "benchmark-guidellm"):
        form = client.get(reverse("launch-form", args=[kind]), {"prompts": "Chat"}).text
        assert '<option value="Chat" selected>Chat (2)</option>' in form
    online = client.get(reverse("launch-form", args=["benchmark-online"])).text
    assert 'data-when="dataset" data-when-value="custom"' in online
    assert f'href="{LIST}"' in online


def test_long_prompts_are_cut_on_the_page(client, lin):
    row = make_prompts("x" * 5000, *("Why?" for _ in range(30)))

    page = shown(client.get(reverse("prompt-detail", args=[row.pk])))

    assert "x" * 200 + "…" in page
    assert "x" * 201 not in page
    assert "21 more prompts in the download." in page
