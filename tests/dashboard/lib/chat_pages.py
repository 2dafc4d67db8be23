"""Questions as the page of a chat asks them, and its turns."""

import re

from django.urls import reverse

from dashboard.actions.chat_shares import share
from jobs.models import Conversation, Turn

BY_SCRIPT = "application/json"
ASK = {"prompt": "Hello", "max_tokens": "64", "temperature": "0.2"}


def ask(client, **fields):
    """Ask as the page's script does."""
    return client.post(reverse("playground-ask"), ASK | fields, headers={"Accept": BY_SCRIPT})


def make_turn(user, **fields):
    """A turn of a conversation of its own."""
    chat = Conversation.objects.create(user=user, deployment=fields.get("deployment"))
    asked = {"conversation": chat, "index": 0, "prompt": "x", "state": "done", **fields}
    return Turn.objects.create(**asked)


def make_turns(chat, *texts):
    """A chat of turns that follow each other."""
    turn, turns = None, []
    for index, fields in enumerate(texts):
        asked = {"prompt": "q", "answer": "a", "state": "done", "index": index, **fields}
        turn = Turn.objects.create(conversation=chat, parent=turn, **asked)
        turns.append(turn)
    return turns


def make_share(user):
    """The key of a share of a chat of its own."""
    return share(user, make_turn(user).conversation, 7).key


def attempts(response):
    """Return the attempts at a turn's foot: "1/2", and the ids behind ‹ and ›."""
    text = response.text
    place = re.search(r">(\d+/\d+)</b>", text)
    return place and place[1], re.findall(r'data-attempt="(\d*)"', text)
