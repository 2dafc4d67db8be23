"""Search of own chats: marks, excerpts and links to the turn."""

import re

import pytest

from jobs.models import Conversation, Turn
from tests.dashboard.lib.chat_pages import make_turns

pytestmark = pytest.mark.postgresql


def hit(client, text):
    """Return title, excerpt and address of the only hit."""
    page = client.get("/playground/", {"q": text}).text
    titles = re.findall(r'<a class="cut"[^>]*>(.*?)</a>', page)
    found = re.search(r'<a class="hit small" href="([^"]+)">(.*?)</a>', page)
    assert set(titles) <= {titles[0]}
    return titles[0], found and found[2], found and found[1]


def test_a_hit_in_reasoning_is_marked_and_leads_to_its_turn(client, lin):
    chat = Conversation.objects.create(user=lin, title="Colours")
    thought = f"{'long ' * 30}because of Rayleigh scattering <b>here</b>{' and on' * 30}"
    _first, second = make_turns(chat, {}, {"reasoning": thought})

    title, excerpt, address = hit(client, "rayleigh")

    assert title == "Colours"
    assert excerpt.startswith("<b>Reasoning: </b>…")
    assert "because of <mark>Rayleigh</mark> scattering &lt;b&gt;here" in excerpt
    assert len(excerpt) < 300
    assert address == f"/playground/{chat.pk}/?turn={second.pk}&amp;q=rayleigh#turn-{second.pk}"


def test_each_word_is_marked_in_title_and_text(client, lin):
    chat = Conversation.objects.create(user=lin, title="关于天空的问题")
    make_turns(chat, {"prompt": "天空为什么是蓝色的？", "answer": "Blue (C++) light"})

    assert hit(client, "天空 蓝色")[:2] == (
        "关于<mark>天空</mark>的问题",
        "<mark>天空</mark>为什么是<mark>蓝色</mark>的？",
    )
    assert hit(client, "(c++)")[1] == "Blue <mark>(C++)</mark> light"
    assert hit(client, "问题")[1] is None


def test_a_hit_in_the_shown_branch_comes_first(client, lin):
    chat = Conversation.objects.create(user=lin, title="x")
    _first, shown = make_turns(chat, {}, {"answer": "a swan"})
    Turn.objects.create(
        conversation=chat, index=0, attempt=1, is_shown=False, prompt="swan", state="done"
    )

    assert f"?turn={shown.pk}&" in hit(client, "swan")[2]
