"""Shares of chats: snapshots that others read, until they expire or are revoked."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.base import bounds
from jobs.models import AuditEntry, ChatShare, Conversation, Turn
from jobs.services.upkeep.retention import apply_retention
from tests.dashboard.lib.chat_pages import make_turns
from tests.factories import make_deployment, make_host, make_user


@pytest.fixture
def chat(lin):
    """A chat with reasoning, of which another version is hidden."""
    deployment = make_deployment(host=make_host("sim", type="simulated"))
    chat = Conversation.objects.create(user=lin, title="Sky")
    system = {"role": "system", "content": "Be brief."}
    request = {"model": "r1", "temperature": 0.6, "messages": [system]}
    make_turns(
        chat,
        {"prompt": "Why blue?", "reasoning": "light scatters", "answer": "Rayleigh"},
        {"prompt": "And red?", "answer": "Dust", "request": request, "deployment": deployment},
    )
    Turn.objects.create(
        **{"conversation": chat, "index": 0, "attempt": 1, "version": 1, "is_shown": False},
        **{"prompt": "A secret draft", "state": "done"},
    )
    return chat


def share(client, chat, **fields):
    """Share a chat; return the address of its snapshot."""
    response = client.post(reverse("conversation-share", args=[chat.pk]), {"days": 7} | fields)
    assert response.status_code == 302, response.text
    return reverse("share", args=[ChatShare.objects.latest("pk").key])


@pytest.fixture
def other(client):
    """Log another person in, a viewer."""

    def log_in():
        client.force_login(make_user("mo", role="viewer"))
        return client

    return log_in


def test_another_person_reads_a_snapshot_with_the_chats_own_parts(client, chat, other):
    address = share(client, chat)

    page = other().get(address).text

    for part in ("Why blue?", "light scatters", "Rayleigh", "Dust", "temperature", "simulated"):
        assert part in page
    assert '<details class="think"' in page
    assert "secret draft" not in page
    for part in ('id="ask"', "data-retry", "data-edit", "data-request", "/revoke/"):
        assert part not in page


def test_a_snapshot_does_not_change_with_its_chat(client, chat):
    address = share(client, chat)
    chat.turns.update(prompt="Something else", answer="Nothing")
    Conversation.objects.update(title="Renamed")

    page = client.get(address).text

    assert "Why blue?" in page
    assert "Sky" in page
    assert "Something else" not in page


def test_a_revoked_share_leads_nowhere_and_both_acts_are_recorded(client, chat, other, lin):
    address = share(client, chat, days=1)
    listed = client.get(reverse("share-list")).text
    assert address in listed
    assert address in client.get(reverse("conversation-share", args=[chat.pk])).text

    client.post(f"{address}revoke/")

    assert "Sky" not in client.get(reverse("share-list")).text
    assert other().get(address).status_code == 404
    acts = AuditEntry.objects.filter(action="conversation.share").order_by("pk")
    assert [(one.user, one.subject, one.detail) for one in acts] == [
        (lin, f"conversation {chat.pk}", {"days": 1}),
        (lin, f"conversation {chat.pk}", {"did": "revoke"}),
    ]


def test_nobody_else_shares_a_chat_or_revokes_its_share(client, chat, other):
    address = share(client, chat)
    client.force_login(make_user("root", is_staff=True))

    answers = [
        client.post(reverse("conversation-share", args=[chat.pk]), {"days": 7}),
        client.post(f"{address}revoke/"),
        other().post(f"{address}revoke/"),
    ]

    assert [one.status_code for one in answers] == [403, 403, 403]
    assert ChatShare.objects.count() == 1


def test_an_expired_share_is_closed_and_later_removed(client, chat):
    addresses = [share(client, chat, days=days) for days in (1, 7)]
    ChatShare.objects.filter(key=addresses[0].split("/")[-2]).update(
        expires_at=now() - timedelta(seconds=1)
    )

    assert [client.get(one).status_code for one in addresses] == [404, 200]
    apply_retention()
    assert ChatShare.objects.count() == 1
    apply_retention(now() + timedelta(days=8))
    assert not ChatShare.objects.exists()


def test_a_deleted_chat_takes_its_shares_along(client, chat):
    address = share(client, chat)

    client.post(reverse("conversation-delete", args=[chat.pk]))

    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"days": "x"}, "Choose 1, 7 or 30 days."),
        ({"days": "365"}, "Choose 1, 7 or 30 days."),
    ],
)
def test_a_share_lasts_as_long_as_the_form_offers(client, chat, change, problem):
    page = client.post(reverse("conversation-share", args=[chat.pk]), change)

    assert page.status_code == 422
    assert problem in page.text


def test_a_chat_that_answers_is_empty_or_too_long_is_not_shared(client, lin, chat, monkeypatch):
    empty = Conversation.objects.create(user=lin)
    asked = {"conversation": empty, "index": 0, "prompt": "x"}

    def problem(of):
        page = client.post(reverse("conversation-share", args=[of.pk]), {"days": 7})
        return page.text.split('id="share-problem"')[1].split("<span>")[1].split("</span>")[0]

    assert problem(empty) == "This chat has no messages yet."
    Turn.objects.create(**asked)
    assert problem(empty) == "The chat is generating an answer. Stop the answer first."
    monkeypatch.setattr(bounds, "CHAT_PAGE_CHARS", 300)
    assert problem(chat) == "A share has at most 300 characters. This branch is longer."


def test_a_person_has_a_hundred_shares_at_most(client, chat, lin):
    later = now() + timedelta(days=1)
    ChatShare.objects.bulk_create(
        ChatShare(key=str(n), user=lin, conversation=chat, expires_at=later) for n in range(100)
    )

    page = client.post(reverse("conversation-share", args=[chat.pk]), {"days": 7})

    assert "You have 100 shares. Revoke some first." in page.text
