"""Shares of chats over the API."""

import pytest

from jobs.models import Conversation
from tests.dashboard.lib.chat_pages import make_turns


def test_a_share_is_made_listed_read_by_others_and_revoked(lin, admin):
    chat = Conversation.objects.create(user=lin.user, title="Sky")
    make_turns(chat, {"prompt": "Why blue?", "answer": "Rayleigh"})

    made = lin.post(f"conversations/{chat.pk}/shares", {"days": 30})
    key = made.json()["key"]

    assert (made.status_code, made.json()["person"]) == (201, "lin")
    assert [one["key"] for one in lin.get("shares").json()["shares"]] == [key]
    assert admin.get("shares").json()["shares"] == []
    read = admin.get(f"shares/{key}").json()
    assert [one["answer"] for one in read["chat"]["turns"]] == ["Rayleigh"]
    assert admin.send("delete", f"shares/{key}").status_code == 404
    assert lin.send("delete", f"shares/{key}").json()["title"] == "Sky"
    assert admin.get(f"shares/{key}").status_code == 404


def test_a_wrong_time_is_refused_at_its_field(lin):
    chat = Conversation.objects.create(user=lin.user)

    refused = lin.post(f"conversations/{chat.pk}/shares", {"days": 2})

    assert refused.status_code == 422
    assert refused.json()["fields"] == {"days": "Choose 1, 7 or 30 days."}


@pytest.mark.django_db(transaction=True)
def test_the_chat_of_a_share_is_imported(lin, admin):
    chat = Conversation.objects.create(user=lin.user, title="Sky")
    make_turns(chat, {"prompt": "Why blue?", "answer": "Rayleigh", "request": {"model": "r1"}})
    key = lin.post(f"conversations/{chat.pk}/shares", {"days": 1}).json()["key"]

    made = admin.post("conversations/import", admin.get(f"shares/{key}").json()["chat"])

    assert (made.status_code, made.json()["title"]) == (201, "Sky")
    turns = admin.get(f"conversations/{made.json()['id']}").json()["turns"]
    assert [(one["imported"], one["answer"]) for one in turns] == [(True, "Rayleigh")]
    wrong = admin.post("conversations/import", {"format": "other"})
    assert (wrong.status_code, [*wrong.json()["fields"]]) == (422, ["file"])
