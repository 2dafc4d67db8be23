"""Tags of chats: set in the chat's menu, shown on its head, a filter of the list."""

import re

import pytest
from django.urls import reverse

from jobs.models import Conversation
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.chat_pages import make_turns
from tests.factories import make_user

CHATS = {"Sky": "release, Colours", "Sums": "release", "Prose": ""}


@pytest.fixture
def chats(client, lin):
    """Own chats by title, and one of another person with the same tag."""
    found = {title: Conversation.objects.create(user=lin, title=title) for title in CHATS}
    found["Other's"] = Conversation.objects.create(user=make_user("mo"), title="Other's")
    for title, tags in CHATS.items():
        save(client, found[title], tags=tags)
    found["Other's"].tags.create(name="release")
    return found


def save(client, chat, **fields):
    address = reverse("conversation-rename", args=[chat.pk])
    return client.post(address, {"title": chat.title} | fields, follow=True)


def tags(chat):
    return [tag.name for tag in chat.tags.all()]


def listed(client, **query):
    page = client.get(reverse("playground"), query).text
    # The list stands twice in a page: the second one is the phone's.
    return [*dict.fromkeys(re.findall(r'<a class="cut"[^>]*title="([^"]*)"', page))]


@pytest.mark.postgresql
def test_the_list_shows_the_chats_with_a_tag(client, chats):
    page = client.get(reverse("playground"), {"tag": "release"}).text

    assert listed(client, tag="release") == ["Sums", "Sky"]
    assert listed(client, tag="release", q="sk") == ["Sky"]
    assert listed(client, tag="none") == []
    assert 'aria-current="true"' in page
    assert ">Colours</span> <b" in page
    assert f"/playground/{chats['Sky'].pk}/?tag=release" in page
    assert "No chat has this tag." in client.get(reverse("playground"), {"tag": "none"}).text


def test_a_chat_shows_its_tags_and_leads_to_others_with_the_same(client, chats):
    page = client.get(reverse("conversation", args=[chats["Sky"].pk])).text

    assert re.findall(r'<a class="chip" href="(\?tag=\w+)" title="Show', page) == [
        "?tag=Colours",
        "?tag=release",
    ]
    assert 'value="Colours, release"' in page


def test_tags_are_replaced_in_the_spelling_in_use(client, chats):
    save(client, chats["Sums"], tags="RELEASE，new")
    assert tags(chats["Sums"]) == ["new", "release"]

    save(client, chats["Sums"], tags=" ")
    assert tags(chats["Sums"]) == []

    save(client, chats["Sky"], title="Renamed")
    assert tags(chats["Sky"]) == ["Colours", "release"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("x" * 33, "at most 32 characters"), (",".join(map(str, range(13))), "At most 12 tags.")],
)
def test_wrong_tags_are_refused_and_the_old_ones_stay(client, chats, text, problem):
    page = save(client, chats["Sky"], tags=text).text

    assert problem in page
    assert tags(chats["Sky"]) == ["Colours", "release"]


def test_the_api_sets_tags_and_filters_by_them(chats, lin):
    api, address = Caller(lin), f"conversations/{chats['Prose'].pk}"

    assert api.send("patch", address, {"tags": ["Colours"]}).json()["tags"] == ["Colours"]
    found = api.get("conversations?tag=Colours").json()["conversations"]
    assert [(one["title"], one["tags"]) for one in found] == [
        ("Prose", ["Colours"]),
        ("Sky", ["Colours", "release"]),
    ]
    refused = api.send("patch", address, {"tags": ["a,b"]})
    assert (refused.status_code, [*refused.json()["fields"]]) == (422, ["tags"])


def test_an_exported_chat_has_its_tags_and_a_share_has_none(client, chats):
    make_turns(chats["Sky"], {})

    address = reverse("conversation-export", args=[chats["Sky"].pk, "json"])
    assert b'"tags": ["Colours", "release"]' in client.get(address).getvalue()
    client.post(reverse("conversation-share", args=[chats["Sky"].pk]), {"days": 7})
    assert "tags" not in chats["Sky"].shares.get().content
