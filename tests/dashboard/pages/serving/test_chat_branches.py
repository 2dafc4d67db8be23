"""Branches of a chat: edited messages, attempts at any question, answers that continue."""

import json
import re

import pytest
from django.urls import reverse

from jobs.models import Conversation, Turn
from jobs.services.chat import close_turn
from tests.dashboard.lib.chat_pages import ask, attempts, make_turn, make_turns
from tests.factories import make_deployment, make_user


def asked_again(client, deployment):
    """A conversation whose only question has an answer, and a second attempt at it."""
    ask(client, deployment=deployment.pk)
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="Hi!")
    old = chat.turns.get()
    ask(client, deployment=deployment.pk, conversation=chat.pk, retry=old.pk)
    return chat, old, chat.turns.get(is_shown=True)


@pytest.mark.postgresql
def test_asking_again_keeps_every_attempt(client, lin):
    chat, old, new = asked_again(client, make_deployment())

    assert (new.index, new.attempt, old.index, old.attempt) == (0, 1, 0, 0)
    assert [m["content"] for m in new.request["messages"]] == ["Hello"]
    old.refresh_from_db()
    assert (old.answer, old.is_shown) == ("Hi!", False)

    chat.turns.filter(pk=new.pk).update(state="done", answer="Hello!")
    page = client.get(reverse("conversation", args=[chat.pk]))
    assert attempts(page) == ("2/2", [str(old.pk), ""])
    assert "Hello!" in page.text


def test_the_attempt_that_is_shown_is_the_one_that_is_sent_back(client, lin):
    deployment = make_deployment()
    chat, old, new = asked_again(client, deployment)
    chat.turns.filter(pk=new.pk).update(state="done", answer="Hello!")

    shown = client.post(reverse("playground-show", args=[old.pk]))
    ask(client, deployment=deployment.pk, conversation=chat.pk, prompt="And now?")

    assert attempts(shown) == ("1/2", ["", str(new.pk)])
    assert [m["content"] for m in chat.turns.last().request["messages"]] == [
        "Hello",
        "Hi!",
        "And now?",
    ]


def test_an_attempt_that_failed_empty_shows_the_old_answer(client, lin):
    deployment = make_deployment()
    chat, old, new = asked_again(client, deployment)

    close_turn(new.pk, state=Turn.State.FAILED, error="busy", stats={})

    assert attempts(client.get(reverse("conversation", args=[chat.pk]))) == (
        "1/2",
        ["", str(new.pk)],
    )
    failed = client.get(reverse("playground-turn", args=[new.pk]))
    assert attempts(failed) == ("2/2", [str(old.pk), ""])
    assert "The earlier answer stays" in failed.text


def messages_of(turn):
    return [message["content"] for message in turn.request["messages"]]


def versions(page, turn):
    """Return the place among the versions of a turn's message: "1/2"."""
    part = page.text.split(f'id="turn-{turn.pk}"')[1].split('class="row0 of-message"')[1]
    place = re.search(r">(\d+/\d+)</b>", part.split("</div>")[0])
    return place and place[1]


@pytest.mark.postgresql
def test_an_edited_message_begins_a_branch_and_the_other_one_stays(client, lin):
    deployment = make_deployment(name="served")
    chat = Conversation.objects.create(user=lin)
    first, second = make_turns(chat, {"prompt": "one"}, {"prompt": "two"})
    address = reverse("conversation", args=[chat.pk])

    ask(client, deployment=deployment.pk, conversation=chat.pk, retry=first.pk, prompt="uno")

    edited = chat.turns.get(prompt="uno")
    assert (edited.index, edited.parent, messages_of(edited)) == (0, None, ["uno"])
    chat.turns.filter(pk=edited.pk).update(state="done", answer="ah")
    shown, other = client.get(address), client.get(f"{address}?turn={second.pk}")
    assert re.findall(r'data-turn="(\d+)"', shown.text) == [str(edited.pk)]
    assert re.findall(r'data-turn="(\d+)"', other.text) == [str(first.pk), str(second.pk)]
    assert (versions(shown, edited), versions(other, first)) == ("2/2", "1/2")


def test_a_question_follows_the_turn_that_its_page_shows_last(client, lin):
    deployment = make_deployment()
    chat = Conversation.objects.create(user=lin)
    first, second = make_turns(chat, {"prompt": "one", "answer": "1"}, {"prompt": "two"})
    edited = Turn.objects.create(
        conversation=chat, index=0, attempt=1, version=1, prompt="uno", state="done", is_shown=False
    )

    ask(client, deployment=deployment.pk, conversation=chat.pk, after=edited.pk, prompt="due")

    new = chat.turns.get(prompt="due")
    assert (new.parent, messages_of(new)) == (edited, ["due"])
    page = client.get(reverse("conversation", args=[chat.pk]))
    assert re.findall(r'data-turn="(\d+)"', page.text) == [str(edited.pk), str(new.pk)]
    client.post(reverse("playground-show", args=[second.pk]))
    page = client.get(reverse("conversation", args=[chat.pk]))
    assert re.findall(r'data-turn="(\d+)"', page.text) == [str(first.pk), str(second.pk)]


def test_an_early_question_is_asked_again_beside_its_branch(client, lin):
    chat = Conversation.objects.create(user=lin)
    first, second = make_turns(chat, {"prompt": "one"}, {"prompt": "two"})

    ask(client, deployment=make_deployment().pk, conversation=chat.pk, retry=first.pk, prompt="one")

    again = chat.turns.get(state="streaming")
    assert (again.index, again.version, again.parent) == (0, first.version, None)
    page = client.get(reverse("conversation", args=[chat.pk]), {"turn": second.pk})
    assert attempts(page)[0] == "1/2"
    assert re.findall(r'data-turn="(\d+)"', page.text) == [str(first.pk), str(second.pk)]


@pytest.mark.parametrize("engine", ["vllm", "llama.cpp"])
def test_an_engine_continues_a_cut_answer(client, lin, engine):
    deployment = make_deployment(details={"engine": engine})
    chat = Conversation.objects.create(user=lin)
    [cut] = make_turns(chat, {"prompt": "Count", "answer": "1, 2,", "finish_reason": "length"})

    ask(client, deployment=deployment.pk, conversation=chat.pk, **{"continue": cut.pk})

    turn = chat.turns.get(state="streaming")
    assert turn.request["messages"] == [
        {"role": "user", "content": "Count"},
        {"role": "assistant", "content": "1, 2,"},
    ]
    assert turn.request.get("continue_final_message") == (True if engine == "vllm" else None)
    assert (turn.index, turn.attempt, turn.version) == (0, 1, cut.version)
    close_turn(turn.pk, state=Turn.State.DONE, answer=" 3", stats={})
    page = client.get(reverse("conversation", args=[chat.pk])).text
    assert '"answer">1, 2, 3</div>' in page
    assert "continues the answer before" in page
    assert "continue_final_message" not in page


def test_a_continuation_without_a_word_shows_the_cut_answer(client, lin):
    deployment = make_deployment(details={"engine": "vllm"})
    chat = Conversation.objects.create(user=lin)
    [cut] = make_turns(chat, {"answer": "1, 2,", "finish_reason": "length"})
    ask(client, deployment=deployment.pk, conversation=chat.pk, **{"continue": cut.pk})
    turn = chat.turns.get(state="streaming")

    close_turn(turn.pk, state=Turn.State.FAILED, error="busy", stats={})

    turn.refresh_from_db()
    assert (turn.answer, turn.is_shown) == ("", False)
    assert attempts(client.get(reverse("conversation", args=[chat.pk])))[0] == "1/2"


@pytest.mark.parametrize(
    "fields", [{"details": {"engine": "llmdeploy"}}, {"model_id": "deepseek-r1"}]
)
def test_another_engine_is_asked_for_the_rest(client, lin, fields):
    deployment = make_deployment(**{"details": {"engine": "vllm"}, **fields})
    chat = Conversation.objects.create(user=lin)
    [cut] = make_turns(chat, {"prompt": "Count", "answer": "1, 2,", "finish_reason": "length"})

    ask(client, deployment=deployment.pk, conversation=chat.pk, **{"continue": cut.pk})

    turn = chat.turns.get(state="streaming")
    assert turn.parent == cut
    asked = "Continue your answer exactly where it stopped."
    assert messages_of(turn) == ["Count", "1, 2,", asked]


def test_a_link_to_a_turn_of_another_chat_shows_the_own_one(client, lin):
    chat = Conversation.objects.create(user=lin)
    [turn] = make_turns(chat, {})
    foreign = make_turn(make_user("chen"), prompt="secret")

    for number in (foreign.pk, 10**30, "x"):
        page = client.get(reverse("conversation", args=[chat.pk]), {"turn": number})
        assert re.findall(r'data-turn="(\d+)"', page.text) == [str(turn.pk)]


def test_a_chat_is_exported_to_read_and_with_all_its_branches(client, lin):
    first, _second = make_turns(
        Conversation.objects.create(user=lin, title="Sky"),
        {"prompt": "Why blue?", "reasoning": "light\nscatters", "answer": "Rayleigh"},
        {"prompt": "And red?", "answer": "Dust", "request": {"model": "r1"}},
    )
    Turn.objects.create(
        **{"conversation": first.conversation, "parent": first, "index": 1, "attempt": 1},
        **{"is_shown": False, "prompt": "And green?", "state": "failed", "error": "HTTP 503"},
    )

    def exported(ending):
        return client.get(reverse("conversation-export", args=[first.conversation_id, ending]))

    text = exported("md").getvalue().decode()
    whole = json.loads(exported("json").getvalue())

    assert text.startswith("# Sky\n\n## Message 1\n\nWhy blue?\n")
    assert "> light\n> scatters\n\nRayleigh\n" in text
    assert "## r1\n\nDust\n" in text
    assert "green" not in text
    assert [(one["id"], one["parent_id"], one["is_shown"]) for one in whole["turns"]] == [
        (1, None, True),
        (2, 1, True),
        (3, 1, False),
    ]
    assert (whole["title"], whole["turns"][2]["error"]) == ("Sky", "HTTP 503")
    assert exported("exe").status_code == 404
