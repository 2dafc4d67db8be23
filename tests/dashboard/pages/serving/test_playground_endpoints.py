"""The playground with endpoints: choice, rules at the field, marks, and what stays of old chats."""

import html
import re
import socket

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import Conversation, Endpoint, Source, Turn
from tests.factories import keep_secret, make_deployment, make_endpoint, make_user

pytestmark = pytest.mark.django_db

KEY, URL = "sk-very-secret-0123456789", "http://10.0.0.5:8000"
ASK = {"prompt": "Hello", "max_tokens": "64"}


def key_of(endpoint):
    return f"endpoint:{endpoint.pk}"


def ask(client, endpoint, **fields):
    data = {**ASK, "deployment": key_of(endpoint), **fields}
    return client.post(reverse("playground-ask"), data, headers={"Accept": "application/json"})


def text_of(client, address, **query):
    return html.unescape(client.get(address, query).content.decode())


def test_endpoints_stand_behind_deployments(client, lin):
    deployment = make_deployment(name="ours")
    endpoint, gone = make_endpoint("H800"), make_endpoint("old", archived_at=now())

    text = text_of(client, reverse("playground"), deployment=key_of(endpoint))

    options = re.findall(r'<option value="([^"]+)"[^>]*>([^<]*)</option>', text)
    assert options == [(str(deployment.pk), "ours"), (key_of(endpoint), "H800 (external)")]
    assert gone.name not in dict(options).values()
    assert f'value="{key_of(endpoint)}" selected' in text
    assert ">external, 8 × H800</span>" in text
    assert "answers" in text


def test_a_question_goes_to_the_endpoint(client, lin):
    endpoint = make_endpoint("H800", model="team/R1")

    address = ask(client, endpoint).json()["url"]

    chat, turn = Conversation.objects.get(), Turn.objects.get()
    assert (chat.endpoint, chat.deployment, turn.deployment) == (endpoint, None, None)
    assert (turn.endpoint, turn.device, turn.request["model"]) == (endpoint, "8 × H800", "team/R1")
    assert f'href="{reverse("endpoint-detail", args=[endpoint.pk])}">team/R1</a>' in text_of(
        client, address
    )


def test_sending_a_question_looks_up_no_name(client, lin, monkeypatch):
    endpoint = make_endpoint("H800", url="http://engine.invalid:8000")
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_more, **_: looked_up.append(host))

    assert ask(client, endpoint).status_code == 201
    assert looked_up == []


def test_thinking_is_chosen_where_the_template_has_a_switch(client, lin):
    with_switch, without = (
        make_endpoint("Qwen3", thinking_switch="enable_thinking"),
        make_endpoint(),
    )
    page = reverse("playground")

    assert 'name="thinking"' in text_of(client, page, deployment=key_of(with_switch))
    assert 'name="thinking"' not in text_of(client, page, deployment=key_of(without))


def test_a_chosen_thinking_is_sent_shown_and_kept(client, lin):
    endpoint = make_endpoint("Qwen3", thinking_switch="enable_thinking")

    address = ask(client, endpoint, thinking="off").json()["url"]

    request = Turn.objects.get().request
    assert request["chat_template_kwargs"] == {"enable_thinking": False}
    page = text_of(client, address)
    assert '<span class="num nw">thinking off</span>' in page
    assert '<option value="off" selected>off</option>' in page


def test_the_default_of_thinking_sends_nothing(client, lin):
    endpoint = make_endpoint("Qwen3", thinking_switch="enable_thinking")

    ask(client, endpoint, thinking="")

    assert "chat_template_kwargs" not in Turn.objects.get().request


def test_thinking_without_a_switch_is_refused_with_the_reason(client, lin):
    answer = ask(client, make_endpoint("H800"), thinking="on")

    assert answer.status_code == 422
    assert "Endpoint H800 states no switch for thinking" in answer.json()["error"]


@pytest.mark.postgresql
def test_a_chat_moves_between_deployment_and_endpoint(client, lin):
    endpoint, deployment = make_endpoint("H800"), make_deployment(name="ours")
    ask(client, endpoint)
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="Hi!")

    ask(client, endpoint, deployment=deployment.pk, conversation=chat.pk)

    chat.refresh_from_db()
    assert (chat.endpoint, chat.deployment) == (None, deployment)
    assert [one.endpoint for one in chat.turns.order_by("index")] == [endpoint, None]
    assert [m["content"] for m in chat.turns.last().request["messages"]] == [
        *("Hello", "Hi!", "Hello")
    ]


def test_a_turn_keeps_the_device_as_it_was_stated(client, lin):
    endpoint = make_endpoint("H800")
    ask(client, endpoint)
    Endpoint.objects.update(device="4 × H20")

    text = text_of(client, reverse("conversation", args=[Conversation.objects.get().pk]))

    (by,) = re.findall(r'<p class="turn-by.*?</p>', text, re.DOTALL)
    assert "external, 8 × H800" in by
    assert "external, 4 × H20" in text  # what the next turn goes to


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: Endpoint.objects.update(archived_at=now()), "This endpoint is archived."),
        (lambda: Source.objects.all().delete(), f"{URL} may not be called."),
        (lambda: with_key(people=[make_user()]), "You may not use secret H800_KEY."),
        (lambda: with_key(endpoints=["http://10.0.0.9:1"]), f"may not be sent to {URL}."),
        (lambda: Endpoint.objects.update(api_key="GONE"), "Secret GONE does not exist."),
    ],
)
def test_a_question_that_no_rule_allows_says_why(client, lin, change, words):
    endpoint = make_endpoint("H800")
    change()

    answer = ask(client, endpoint)

    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert not Conversation.objects.exists()


def with_key(**rules):
    keep_secret("H800_KEY", KEY, **{"purpose": "engine", "endpoints": [URL], **rules})
    Endpoint.objects.update(api_key="H800_KEY")


def test_the_key_is_on_no_page(client, lin):
    endpoint = make_endpoint("H800")
    with_key()
    answer = ask(client, endpoint)
    chat = reverse("conversation", args=[Conversation.objects.get().pk])

    pages = [client.get(at).content for at in (chat, reverse("playground"))]

    assert KEY.encode() not in b"".join([answer.content, *pages])
    assert KEY not in str(Turn.objects.values())


@pytest.mark.parametrize("wanted", ["endpoint:", "endpoint:x", "endpoint:999999", "job:1", "-1"])
def test_an_engine_that_there_is_not_is_not_asked(client, lin, wanted):
    endpoint = make_endpoint("H800")

    answer = ask(client, endpoint, deployment=wanted)

    assert (answer.status_code, Turn.objects.count()) == (422, 0)
    assert client.get(reverse("playground"), {"deployment": wanted}).status_code == 200


def test_an_old_chat_of_an_archived_endpoint_is_readable(client, lin):
    endpoint = make_endpoint("H800")
    ask(client, endpoint)
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="It was so.", finish_reason="stop")
    Endpoint.objects.update(archived_at=now())
    make_deployment(name="ours")

    text = text_of(client, reverse("conversation", args=[chat.pk]))

    assert "It was so." in text
    assert "H800 (external) (archived)" in text
    assert "archived" in re.search(r'id="chat-state">(.*?)id="chat-sim"', text, re.DOTALL)[1]


def test_a_refused_turn_names_the_key(client, lin):
    endpoint = make_endpoint("H800")
    chat = Conversation.objects.create(user=lin, endpoint=endpoint)
    stats = {"error_id": "chat:key", "error_args": {"name": "H800_KEY"}}
    asked = {"index": 0, "prompt": "x", "state": "failed", "stats": stats}
    turn = Turn.objects.create(conversation=chat, endpoint=endpoint, **asked)

    text = text_of(client, reverse("playground-turn", args=[turn.pk]))

    assert "API key H800_KEY was not sent" in text


def test_the_context_of_an_endpoint_bounds_the_chat(client, lin):
    endpoint = make_endpoint("H800", max_context=2048, model_id="deepseek-r1")
    ask(client, endpoint)
    stats = {"prompt_tokens": 1000, "completion_tokens": 60, "answer_tokens": 40}
    Turn.objects.update(state="done", stats=stats)

    text = text_of(client, reverse("conversation", args=[Conversation.objects.get().pk]))

    (left,) = re.findall(r"context left</dt><dd>(.*?)</dd>", text)
    assert re.sub(r"<[^>]+>|[\s\u202f]", "", left) == "1008of2048"
    new = text_of(client, reverse("playground"), deployment=key_of(endpoint))
    assert re.search(r'name="max_tokens"[^>]* value="(\d+)"', new)[1] == "1024"
    assert "data-thinks" in text


def test_the_page_of_an_endpoint_leads_to_a_chat(client, lin):
    endpoint = make_endpoint("H800")
    page = reverse("endpoint-detail", args=[endpoint.pk])
    link = f'{reverse("playground")}?deployment=endpoint%3A{endpoint.pk}"'

    assert link in text_of(client, page)
    Endpoint.objects.update(archived_at=now())
    assert link not in text_of(client, page)
