"""Messages of chats that become questions of a team's set."""

import pytest
from django.urls import reverse

from jobs.catalog import QUESTION_SETS
from jobs.catalog.questions import _version
from jobs.models import Conversation
from tests.dashboard.lib.chat_pages import make_turns
from tests.factories import make_user

pytestmark = pytest.mark.usefixtures("question_folder")


@pytest.fixture
def chat(lin):
    return Conversation.objects.create(user=lin, title="Sums")


def save(client, turn, **fields):
    address = reverse("playground-question", args=[turn.pk])
    return client.post(address, {"set": "ours", "answers": "4"} | fields, follow=True)


def questions(name="ours"):
    own = QUESTION_SETS.of_team(name)
    return [] if own is None else QUESTION_SETS.questions(own.id, own.current).questions


def test_a_message_becomes_a_question_of_a_new_set_then_of_the_same_set(client, chat):
    first, second = make_turns(chat, {"prompt": "2 + 2?"}, {"prompt": "一加一等于几？"})

    page = save(client, first, answers="4\r\n four \r\n\r\n").text
    save(client, second, answers="2")

    assert "Question added to ours." in page
    assert "2 + 2?" in page
    assert [(one.question, one.answers, one.sort, one.language) for one in questions()] == [
        ("2 + 2?", ("4", "four"), "short", "en"),
        ("一加一等于几？", ("2",), "short", "zh"),
    ]
    assert len(QUESTION_SETS.of_team("ours").versions) == 2


def test_the_name_and_note_of_a_set_stay(client, chat):
    first, second = make_turns(chat, {"prompt": "2 + 2?"}, {"prompt": "1 + 1?"})
    save(client, first)
    data = {"name": "Sums", "note": "Of chats", "text": '{"question": "x", "answers": ["y"]}'}
    client.post(
        reverse("question-edit", args=["ours"]),
        data | {"save": "1", "onto": QUESTION_SETS.of_team("ours").current.sha256},
    )

    save(client, second)

    own = QUESTION_SETS.of_team("ours")
    assert (own.name, own.note, len(questions())) == ("Sums", "Of chats", 2)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"answers": " \n"}, "Enter the correct answer"),
        ({"answers": "x" * 501}, "500"),
        ({"set": ""}, "Use up to 32 lower-case letters"),
        ({"set": "No Name"}, "Use up to 32 lower-case letters"),
        ({"set": "basics"}, "The catalogue has a data set with this ID"),
        ({"set": "gone"}, "This set was removed. Restore the set, or choose another."),
        ({"set": "taken"}, "The set has this question already."),
        ({"set": "broken"}, "The questions are missing or changed on the disk."),
    ],
)
def test_a_wrong_field_has_its_reason_and_keeps_what_was_typed(
    client, chat, tmp_path, fields, problem
):
    (turn,) = make_turns(chat, {"prompt": "2 + 2?"})
    for name in ("gone", "taken", "broken"):
        save(client, turn, set=name)
    QUESTION_SETS.mark_removed("gone", "2026-01-01")
    for file in (tmp_path / "questions").glob("broken@*"):
        file.unlink()
    _version.cache_clear()

    response = save(client, turn, **fields)

    assert response.status_code == 422
    assert problem in response.text
    assert f'value="{fields.get("set", "ours")}"' in response.text
    assert questions() == []


def test_a_message_that_no_question_can_hold_is_refused(client, chat):
    (turn,) = make_turns(chat, {"prompt": "x" * 20_001})

    assert "20000" in save(client, turn).text.replace(",", "")
    assert questions() == []


def test_only_members_save_and_only_their_own_messages(client, chat, lin):
    (turn,) = make_turns(chat, {})
    address = reverse("playground-question", args=[turn.pk])
    assert address in client.get(reverse("conversation", args=[chat.pk])).text

    client.force_login(make_user("root", role="admin"))
    assert client.get(address).status_code == 403
    lin.account.role = "viewer"
    lin.account.save()
    client.force_login(lin)
    assert client.get(address).status_code == 403
    assert address not in client.get(reverse("conversation", args=[chat.pk])).text
