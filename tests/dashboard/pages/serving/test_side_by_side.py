"""Chats side by side: what the address shows, to whom."""

import re

import pytest
from django.urls import reverse

from jobs.models import Conversation, Turn
from tests.factories import make_deployment, make_endpoint, make_host, make_user


def shown(client, *keys):
    return client.get(reverse("side-by-side"), {"column": keys})


def columns(response):
    return re.findall(r'data-column="([^"]+)"', response.text)


def make_chat(user, deployment, **fields):
    chat = Conversation.objects.create(user=user, deployment=deployment, title="Why?")
    asked = {"index": 0, "prompt": "Why?", "state": "done", "answer": "So.", **fields}
    Turn.objects.create(conversation=chat, deployment=deployment, **asked)
    return chat


def test_the_address_has_the_columns_in_their_order(client, lin):
    one, two = make_deployment(name="one"), make_endpoint("H800")
    chat = make_chat(lin, one)

    page = shown(client, f"endpoint:{two.pk}", f"chat:{chat.pk}", one.pk)

    assert columns(page) == [f"endpoint:{two.pk}", f"chat:{chat.pk}", str(one.pk)]
    assert "So." in page.text


def test_two_engines_are_proposed_and_no_simulated_one_before_a_real_one(client, lin):
    make_deployment(name="sim", host=make_host("sim", type="simulated"))
    real = make_deployment(name="real")
    other = make_endpoint("H800")

    assert columns(shown(client)) == [str(real.pk), f"endpoint:{other.pk}"]


def test_without_an_engine_the_page_says_where_they_come_from(client, lin):
    page = shown(client)

    assert columns(page) == []
    assert "No deployment is ready." in page.text


def test_more_than_four_columns_are_cut_with_a_warning_and_a_chat_is_shown_once(client, lin):
    one = make_deployment()
    chat = make_chat(lin, one)

    assert columns(shown(client, f"chat:{chat.pk}", one.pk, f"chat:{chat.pk}")) == [
        f"chat:{chat.pk}",
        str(one.pk),
    ]
    page = shown(client, *[one.pk] * 5)
    assert len(columns(page)) == 4
    assert "at most 4 columns" in page.text


@pytest.mark.parametrize("key", ["999", "endpoint:999", "chat:999", "chat:", "chat:x", "x", "-1"])
def test_an_address_of_nothing_is_not_found(client, lin, key):
    assert shown(client, key).status_code == 404


def test_the_chats_of_another_person_are_read_by_administrators_only(client, lin):
    chat = make_chat(make_user("mei"), make_deployment())

    assert shown(client, f"chat:{chat.pk}").status_code == 403
    client.force_login(make_user("admin", is_staff=True))
    page = shown(client, f"chat:{chat.pk}")
    assert "Chats of mei: read only" in page.text
    assert 'id="ask"' not in page.text


def test_columns_that_share_a_host_or_an_engine_say_so(client, lin):
    host = make_host("rack-7")
    one, two = make_deployment(name="one", host=host), make_deployment(name="two", host=host)
    far = make_deployment(name="far", host=make_host("rack-8"))

    assert "Columns 1, 3 use the same host, rack-7" in shown(client, one.pk, far.pk, two.pk).text
    assert "Columns 1, 2 use the same engine, one" in shown(client, one.pk, one.pk).text
    assert "slow each other" not in shown(client, one.pk, far.pk).text


def test_recommended_values_that_differ_are_shown_for_each_model(client, lin):
    r1 = make_deployment(name="r1", model_id="deepseek-r1", details={"max_total": 4096})
    short = make_deployment(name="short", model_id="deepseek-r1", details={"max_total": 200})

    page = shown(client, r1.pk, short.pk).text

    differing = re.search(r"<dl[^>]*data-differing>(.*?)</dl>", page, re.S)[1]
    assert re.findall(r"<dt>(\w+)</dt>", differing) == ["max_tokens"]
    assert re.search(r"short <b[^>]*>100</b>", differing)
    field = re.search(r'<input[^>]*id="p-max_tokens"[^>]*>', page)[0]
    assert 'value="100"' in field


def test_a_message_beside_others_makes_a_chat_and_stays_on_the_page(client, lin):
    fields = {"prompt": "Hello", "max_tokens": "64", "deployment": make_deployment().pk}
    headers = {"Accept": "application/json"}

    response = client.post(reverse("playground-ask"), fields | {"beside": "1"}, headers=headers)

    chat = Conversation.objects.get()
    assert response.status_code == 201
    assert f'data-chat="{chat.pk}"' in response.text


def test_the_end_of_a_turn_fills_the_figures_of_its_column(client, lin):
    stats = {"ttft_ms": 310.0, "tokens_per_s": 41.2, "completion_tokens": 218}
    chat = make_chat(lin, make_deployment(), stats=stats)

    turn = client.get(reverse("playground-turn", args=[chat.turns.get().pk])).text

    figures = re.search(r'<template data-fills="\[data-figures\]">(.*?)</template>', turn, re.S)[1]
    text = re.sub(r"<[^>]+>", " ", figures).split()
    assert text == ["done", "TTFT", "0.310", "s", "41.2", "tok/s", "218", "tokens"]
