"""Import of an exported chat as an own chat."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import Conversation, Turn
from tests.dashboard.lib.chat_pages import make_turns
from tests.factories import make_deployment, make_host

STATS = {"ttft_ms": 90.5, "thinking_ms": 1200.0, "reasoning_tokens": 40, "counted": False}


@pytest.fixture
def chat(lin):
    """A chat with another version of its first message, a failed attempt and a continued answer."""
    simulated = make_deployment(host=make_host("sim", type="simulated"))
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "q"}]
    chat = Conversation.objects.create(user=lin, title="Sky", created_at=now() - timedelta(days=3))
    chat.tags.create(name="release")
    request = {"model": "r1", "temperature": 0.6, "stop": ["\n"], "messages": messages}
    call = {"id": "c1", "name": "weather", "arguments": '{"city": '}
    going_on = {**request, "messages": [*messages, {"role": "assistant", "content": "Ray"}]}
    texts = {"reasoning": "light scatters", "stats": STATS, "finish_reason": "length"}
    first, _second = make_turns(
        chat,
        {"request": request, "deployment": simulated, **texts},
        {"prompt": "And red?", "request": going_on, "answer": "Dust", "tool_calls": [call]},
    )
    failed = {"state": "failed", "error": "HTTP 503", "stats": {"error_id": "chat:cut"}}
    beside = {"conversation": chat, "is_shown": False}
    Turn.objects.create(**beside, index=0, attempt=1, version=1, prompt="draft", state="done")
    Turn.objects.create(**beside, index=1, attempt=1, parent=first, prompt="And red?", **failed)
    return chat


def exported(client, number):
    answer = client.get(reverse("conversation-export", args=[number, "json"]))
    return json.loads(answer.getvalue())


def sent(client, content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    file = SimpleUploadedFile("chat.json", content, "application/json")
    return client.post(reverse("conversation-import"), {"file": file})


def number_of(response):
    assert response.status_code == 302, response.text
    return int(response.headers["Location"].strip("/").rpartition("/")[2])


@pytest.mark.django_db(transaction=True)
def test_an_imported_chat_exports_the_same_file_with_its_answers_marked(client, chat):
    file = exported(client, chat.pk)

    number = number_of(sent(client, file))

    assert number != chat.pk
    again = exported(client, number)
    marked = [{**turn, "is_imported": True} for turn in file["turns"]]
    assert again == {**file, "turns": marked}
    page = client.get(reverse("conversation", args=[number])).text
    assert page.count(">imported</span>") == 2
    for part in (
        "simulated",
        "light scatters",
        "<code>weather</code>",
        "Be brief.",
        "1/2",
        "data-retry",
    ):
        assert part in page
    assert "data-request" not in page


@pytest.mark.django_db(transaction=True)
def test_an_imported_chat_belongs_to_its_importer(client, chat, django_user_model):
    file = exported(client, chat.pk)
    mo = django_user_model.objects.create_user("mo")
    client.force_login(mo)

    number = number_of(sent(client, file))

    assert Conversation.objects.get(pk=number).user == mo


def with_turn(at, **fields):
    def change(file):
        file["turns"][at] |= fields

    return change


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda file: file.update(format="other"), "“format”: Choose one of"),
        (lambda file: file.update(tags=["x" * 33]), "“tags”: Enter one line of at most 32"),
        (lambda file: file.update(more=1), "“more”: Unknown field."),
        (lambda file: file.update(turns=[]), "“turns”:"),
        (with_turn(0, prompt=5), "“turns.0.prompt”: Enter a text."),
        (with_turn(0, created_at="0001-01-01T00:00:00Z"), "“turns.0.created_at”:"),
        (with_turn(0, stats={"ttft_ms": "x"}), "“turns.0.stats.ttft_ms”: Enter a number."),
        (with_turn(0, parameters={"max_tokens": "x"}), "“turns.0.parameters.max_tokens”:"),
        (with_turn(2, tool_calls=[{"name": "x"}]), "“turns.2.tool_calls.0.id”:"),
        (with_turn(1, id=7), "“turns.1.id”: Turns are numbered"),
        (with_turn(2, parent_id=3), "“turns.2.parent_id”: No turn before it"),
        (with_turn(3, index=5), "“turns.3.parent_id”: No turn before it"),
        (with_turn(1, attempt=0), "“turns.1.attempt”: Another turn"),
        (with_turn(1, is_shown=True), "“turns.1.is_shown”: Another turn"),
    ],
)
def test_a_wrong_file_is_refused_at_its_first_fault(client, chat, change, problem):
    file = exported(client, chat.pk)
    change(file)

    page = sent(client, file)

    assert page.status_code == 422
    assert problem in page.text
    assert Conversation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe", "The file is not JSON."),
        (b"[" * 100_000, "The file is not JSON."),
        (b" " * (16 * 2**20 + 1), "The file has more than 16 MiB."),
    ],
)
def test_what_is_no_chat_is_refused(client, lin, content, problem):
    assert problem in sent(client, content).text
    assert "Choose a file." in client.post(reverse("conversation-import")).text
