"""The playground: questions, attempts and chats; with deployments and with endpoints."""

import fcntl
import html
import re
import socket
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.access.accounts import set_role
from jobs.base import bounds
from jobs.logstore import store
from jobs.models import AuditEntry, Conversation, Endpoint, Host, PromptSet, Source, Turn
from jobs.queries.catalogue import prompts_in
from tests.dashboard.lib.chat_pages import ASK, ask, make_turn, make_turns
from tests.factories import keep_secret, make_deployment, make_endpoint, make_host, make_user


def submit(client, **fields):
    """Ask as the browser does before the script has loaded."""
    return client.post(reverse("playground-ask"), ASK | fields, headers={"Accept": "text/html"})


def test_a_first_question_makes_a_conversation_named_after_it(client, lin):
    deployment = make_deployment(name="served")

    response = ask(client, deployment=deployment.pk, prompt="Why is\n the sky   blue?")

    chat = Conversation.objects.get()
    assert response.json() == {"url": reverse("conversation", args=[chat.pk])}
    assert (chat.user, chat.title, chat.deployment) == (lin, "Why is the sky blue?", deployment)
    turn = chat.turns.get()
    assert (turn.state, turn.request["model"], turn.request["max_tokens"]) == (
        "streaming",
        "served",
        64,
    )


def test_newlines_are_sent_as_typed(client, lin):
    ask(client, deployment=make_deployment().pk, prompt="one\r\n\r\ntwo")

    assert Turn.objects.get().request["messages"][0]["content"] == "one\n\ntwo"


def test_a_second_question_sends_answers_without_reasoning(client, lin):
    deployment = make_deployment()
    ask(client, deployment=deployment.pk)
    chat = Conversation.objects.get()
    chat.turns.update(state="done", reasoning="Hm.", answer="Hi!")

    response = ask(client, deployment=deployment.pk, conversation=chat.pk, prompt="And now?")

    assert response.status_code == 201
    assert chat.turns.last().request["messages"] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": "And now?"},
    ]


def test_a_second_page_cannot_ask_while_an_answer_is_written(client, lin):
    deployment = make_deployment()
    ask(client, deployment=deployment.pk)
    chat = Conversation.objects.get()

    response = ask(client, deployment=deployment.pk, conversation=chat.pk, prompt="And now?")

    assert (response.status_code, chat.turns.count()) == (422, 1)
    assert "This chat is generating an answer" in response.json()["error"]


def test_each_turn_shows_its_model_and_parameters(client, lin):
    first, second = make_deployment(name="first"), make_deployment(name="second")
    first.host.type = "simulated"
    first.host.save()
    ask(client, deployment=first.pk, system="Be brief.", seed="7")
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="Hi!")

    ask(client, deployment=second.pk, conversation=chat.pk)

    page = client.get(reverse("conversation", args=[chat.pk])).text
    lines = [
        " ".join(re.sub(r"<[^>]+>", " ", line).split())
        for line in re.findall(r'<p class="turn-by.*?</p>', page, re.DOTALL)
    ]
    assert lines == [
        "first simulated temperature 0.2 max_tokens 64 seed 7 with a system prompt",
        "second temperature 0.2 max_tokens 64",
    ]
    assert 'title="Be brief."' in page


def test_a_chat_whose_host_is_offline_says_so_above_its_box(client, lin):
    served = make_deployment()
    addresses = [
        f"{reverse('playground')}?deployment={served.pk}",
        f"{reverse('side-by-side')}?column={served.pk}&column={make_deployment().pk}",
    ]
    assert not any("no answer before it is back" in client.get(page).text for page in addresses)

    Host.objects.filter(pk=served.host_id).update(heartbeat_at=None)
    assert all("no answer before it is back" in client.get(page).text for page in addresses)


def test_another_deployment_brings_its_own_parameters(client, lin):
    """R1 was asked with 0.2 and 512 tokens because another model had been before it."""
    small, r1 = make_deployment(name="small"), make_deployment(model_id="deepseek-r1", name="r1")
    ask(client, deployment=small.pk)
    chat = Conversation.objects.get()
    address = reverse("conversation", args=[chat.pk])

    pages = [client.get(f"{address}{query}") for query in ("", f"?deployment={r1.pk}")]

    shown = [
        (
            page.context["chosen"].name,
            page.context["params"]["temperature"].value(),
            page.context["thinks"],
        )
        for page in pages
    ]
    assert shown == [("small", 0.2, False), ("r1", 0.6, True)]


@pytest.mark.postgresql
def test_older_chats_are_a_link_away(client, lin):
    Conversation.objects.bulk_create(
        Conversation(user=lin, title=f"chat {n}", updated_at=now() - timedelta(minutes=n))
        for n in range(65)
    )

    page = client.get(reverse("playground"))
    older = client.get(f"{reverse('playground')}?chats=120").text

    assert re.search(r'class="older" href="([^"]+)"', page.text)[1] == "?chats=120"
    assert "chat 64<" not in page.text
    assert "chat 64<" in older
    assert 'class="older"' not in older


@pytest.mark.postgresql
def test_a_long_chat_has_its_earlier_turns_a_link_away(client, lin):
    chat = Conversation.objects.create(user=lin, title="Long")
    size = bounds.CHAT_PAGE_CHARS // 4
    texts = {"answer": "a" * size, "reasoning": "r"}
    for one in make_turns(chat, *({"prompt": f"q{index}", **texts} for index in range(8))):
        asked = {"index": one.index, "attempt": 1, "prompt": one.prompt, "state": "done"}
        Turn.objects.create(conversation=chat, parent=one.parent, is_shown=False, **asked, **texts)
    address, seen, pages = reverse("conversation", args=[chat.pk]), [], []

    while address:
        page = client.get(address).text
        seen = [*re.findall(r'data-index="(\d)"', page), *seen]
        pages.append(page)
        found = re.search(r'href="([^"]*\?before=\d+)"', page)
        address = found and found[1]

    assert "".join(seen) == "01234567"
    assert all(len(page) < 1.5 * bounds.CHAT_PAGE_CHARS for page in pages)
    assert ['id="ask"' in page for page in pages] == [True, False, False]
    assert ["Latest turns" in page for page in pages] == [False, True, True]
    assert pages[0].count("1/2") == 3


def test_a_turn_that_no_page_could_have_beside_others_is_shown_alone(client, lin):
    chat = Conversation.objects.create(user=lin, title="Long")
    make_turns(chat, {}, {"answer": "a" * bounds.CHAT_PAGE_CHARS})

    page = client.get(reverse("conversation", args=[chat.pk])).text

    assert re.findall(r'data-index="(\d)"', page) == ["1"]
    assert "?before=1" in page


@pytest.mark.parametrize("before", [0, 2, 999_999])
def test_an_address_without_earlier_turns_leads_to_the_chat(client, lin, before):
    chat = Conversation.objects.create(user=lin, title="Short")
    make_turns(chat, {}, {})
    address = reverse("conversation", args=[chat.pk])

    answer = client.get(address, {"before": before})

    assert (answer.status_code, answer["Location"]) == (302, address)


def test_chats_are_found_by_their_text(client, lin):
    chats = [Conversation.objects.create(user=lin, title=title) for title in ("one", "two")]
    Turn.objects.create(
        conversation=chats[0],
        index=0,
        prompt="tell of Otters",
        answer="furry",
        reasoning="They swim.",
    )
    other = Conversation.objects.create(user=make_user("chen"), title="otters are secret")

    def titles(query):
        page = client.get(reverse("playground"), {"q": query})
        return [chat.title for _, group in page.context["groups"] for chat in group]

    assert titles("otter furry") == titles("one otter") == titles("swim") == ["one"]
    assert titles("furry two") == []
    assert other.title not in titles("secret")
    assert set(titles("")) == {"one", "two"}  # those of others are not listed


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reserve": 10**18}, "only its reserve left (DISK_RESERVE)"),
        ({"prompt": " "}, "Enter a message first."),
        ({"temperature": "9"}, "temperature: Ensure this value is less than or equal to 2."),
        ({"max_tokens": ""}, "max_tokens: This field is required."),
        ({"deployment": "0"}, "This deployment is not ready."),
    ],
)
def test_a_question_that_cannot_be_asked_says_why(client, lin, settings, fields, error):
    deployment = make_deployment()
    settings.DISK_RESERVE_BYTES = fields.get("reserve", 0)

    response = ask(client, **{"deployment": deployment.pk, **fields})

    assert (response.status_code, error in response.json()["error"]) == (422, True)
    assert not Conversation.objects.exists()


MORE = {
    "top_k": "20",
    "min_p": "0.05",
    "presence_penalty": "-0.5",
    "frequency_penalty": "0.5",
    "repetition_penalty": "1.1",
    "top_logprobs": "3",
    "stop": "END\r\n\\n\\n",
    "response_format": '{"type": "json_object"}',
    "chat_template_kwargs": '{"tools_in_user_message": true}',
    "extra": '{"mirostat": 2}',
}


@pytest.mark.parametrize(
    ("engine", "penalty"), [("vllm", "repetition_penalty"), ("llama.cpp", "repeat_penalty")]
)
def test_parameters_are_sent_by_the_names_of_the_engine(client, lin, engine, penalty):
    deployment = make_deployment(details={"engine": engine})

    ask(client, deployment=deployment.pk, **MORE)

    sent = Turn.objects.get().request
    assert {name: sent[name] for name in sent.keys() - {"model", "messages", "stream_options"}} == {
        **{"stream": True, "max_tokens": 64, "temperature": 0.2, "top_k": 20, "min_p": 0.05},
        **{"presence_penalty": -0.5, "frequency_penalty": 0.5, penalty: 1.1, "logprobs": True},
        **{"top_logprobs": 3, "stop": ["END", "\n\n"], "mirostat": 2},
        "response_format": {"type": "json_object"},
        "chat_template_kwargs": {"tools_in_user_message": True},
    }
    page = client.get(reverse("conversation", args=[Conversation.objects.get().pk]))
    form = page.context["params"]
    assert (form["stop"].value(), form["extra"].value()) == ("END\n\\n\\n", '{"mirostat": 2}')
    assert engine.lower() in page.context["names_hint"].lower()
    assert form.has_more


DEEP = '{"a":' * 30 + "1" + "}" * 30


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("top_k", "-2", "greater than or equal to -1"),
        ("min_p", "nan", "Enter a number."),
        ("stop", "x\n" * 17, "At most 16 lines"),
        ("extra", "[1]", "Enter a JSON object"),
        ("extra", "{" * 100_000, "Too large"),
        ("extra", "{" * 10_000, "No JSON"),
        ("extra", '{"a": NaN}', "No JSON"),
        ("extra", DEEP, "Too large"),
        ("extra", '{"a": "%s"}' % ("x" * 17_000), "Too large"),
        ("extra", '{"a": "\\u0000"}', "Remove zero bytes"),
        ("extra", '{"a": 99999999999999999999}', "Remove zero bytes"),
        ("extra", '{"messages": []}', "The dashboard sets messages."),
        ("extra", '{"top_k": 1}', "The dashboard sets top_k."),
        ("response_format", "json", "No JSON"),
        ("chat_template_kwargs", '"x"', "Enter a JSON object"),
    ],
)
def test_a_parameter_is_refused_at_its_field(client, lin, field, value, error):
    deployment = make_deployment()

    answer = ask(client, deployment=deployment.pk, **{field: value}).json()
    page = submit(client, deployment=deployment.pk, **{field: value}).text

    assert [*answer["fields"]] == [field]
    assert error in answer["fields"][field]
    at_field = re.search(rf'<p class="form-error" id="p-{field}-error"[^>]*>.*?</p>', page)[0]
    assert (error in html.unescape(at_field), " hidden" in at_field) == (True, False)
    assert not Turn.objects.exists()


def test_a_switch_of_thinking_has_one_value(client, lin):
    endpoint = make_endpoint(thinking_switch="enable_thinking", url="http://192.168.7.9:8000")
    given = {"deployment": f"endpoint:{endpoint.pk}", "thinking": "off"}

    twice = ask(client, **given, chat_template_kwargs='{"enable_thinking": true}').json()
    ask(client, **given, chat_template_kwargs='{"other": 1}')

    assert "Thinking sets enable_thinking." in twice["fields"]["chat_template_kwargs"]
    variables = Turn.objects.get().request["chat_template_kwargs"]
    assert variables == {"enable_thinking": False, "other": 1}


def test_a_question_sent_without_script_opens_its_conversation(client, lin):
    response = submit(client, deployment=make_deployment().pk)

    chat = Conversation.objects.get()
    assert (response.status_code, response.url) == (302, reverse("conversation", args=[chat.pk]))
    assert chat.turns.get().state == "streaming"


def test_a_question_refused_without_script_stays_in_its_field(client, lin):
    deployment = make_deployment()
    fields = {"deployment": deployment.pk, "prompt": "Why <b>blue</b>?", "temperature": "9"}

    response = submit(client, **fields, system="Be brief.", top_p="0.5")

    text = response.text
    assert response.status_code == 422
    assert "temperature: Ensure this value is less than or equal to 2." in text
    assert ">Why &lt;b&gt;blue&lt;/b&gt;?</textarea>" in text
    assert "\nBe brief.</textarea>" in text
    assert 'value="9"' in text
    assert f'<option value="{deployment.pk}" selected>' in text
    assert not Conversation.objects.exists()


def test_the_page_asks_a_real_engine_first_or_the_one_that_its_address_names(client, lin):
    make_deployment(state="stopped")
    text = client.get(reverse("playground")).text
    assert "No deployment is ready." in text
    assert f"{reverse('launch')}?for=serve" in text

    make_deployment(name="real")
    wanted = make_deployment(name="wanted", host=make_host(type="simulated"))
    assert "Send a message to real." in client.get(reverse("playground")).text
    text = client.get(f"{reverse('playground')}?deployment={wanted.pk}").text
    assert re.search(rf'<option value="{wanted.pk}" selected>wanted', text)


@pytest.mark.parametrize(
    ("served", "shown"),
    [({"max_total": 32768}, "16384"), ({"max_total": 1 << 20}, "32768"), ({}, "32768")],
)
def test_the_proposed_max_tokens_leave_room_for_a_prompt(client, lin, served, shown):
    """vLLM refuses a request whose answer alone may fill all that it serves."""
    chosen = make_deployment(model_id="deepseek-r1", details=served)

    text = client.get(f"{reverse('playground')}?deployment={chosen.pk}").text

    assert re.search(r'name="max_tokens"[^>]* value="(\d+)"', text)[1] == shown


def test_a_failed_turn_shows_the_engine_s_error_and_numbers(client, lin):
    error = "request (3033 tokens) exceeds the available context size"
    turn = make_turn(lin, state="failed", error=error, stats={"ttft_ms": 940.0})

    text = client.get(reverse("playground-turn", args=[turn.pk])).text

    assert "request (3033 tokens) exceeds the available context size" in text
    assert "<b>0.940 s</b>" in text


@pytest.mark.parametrize(
    ("limit", "stats", "answer", "reason", "more"),
    [
        (64, {"completion_tokens": 64}, "", "Stopped while thinking after 64 tokens:", "128"),
        (64, {"completion_tokens": 64}, "So", "Stopped after 64 tokens.", "128"),
        (64, {"completion_tokens": 9, "counted": True}, "So", "max tokens", "128"),
        (64, {"completion_tokens": 9}, "So", "Context full", None),
        (131_072, {"completion_tokens": 131_072}, "", "max tokens", None),
        (100_000, {"completion_tokens": 100_000}, "", "max tokens", "131072"),
    ],
)
def test_a_turn_that_was_cut_says_by_what_and_offers_more(
    client, lin, limit, stats, answer, reason, more
):
    fields = {"request": {"max_tokens": limit}, "reasoning": "Hm.", "answer": answer}
    turn = make_turn(lin, finish_reason="length", stats=stats, **fields)

    text = client.get(reverse("playground-turn", args=[turn.pk])).text

    assert reason in text
    offered = re.findall(r'data-retry="\d+" data-max-tokens="(\d+)"', text)
    assert offered == ([more] if more else [])
    assert not more or f"Regenerate with {more} tokens<" in text


@pytest.mark.parametrize(
    ("finish_reason", "says"),
    [("stop", False), ("length", False), ("tool_calls", "Ended with a tool call."), ("x", "x")],
)
def test_a_turn_says_what_ended_it_unless_it_is_whole(client, lin, finish_reason, says):
    turn = make_turn(lin, answer="Four.", finish_reason=finish_reason)

    text = client.get(reverse("playground-turn", args=[turn.pk])).text

    assert f"<span>{finish_reason}</span>" not in text or says == finish_reason
    assert "Finished by the model" not in text
    assert not says or f"<span>{says}</span>" in text


def test_a_turn_says_what_it_left_of_the_context(client, lin):
    deployment = make_deployment()
    type(deployment.job).objects.filter(pk=deployment.job_id).update(params={"context": 2048})
    stats = {"prompt_tokens": 1000, "completion_tokens": 60, "answer_tokens": 40}
    turn = make_turn(lin, deployment=deployment, request={"model": "m"}, stats=stats)

    for name, number in (("playground-turn", turn.pk), ("conversation", turn.conversation_id)):
        address = reverse(name, args=[number])
        text = client.get(address).text
        (left,) = re.findall(r"context left</dt><dd>(.*?)</dd>", text)
        assert re.sub(r"<[^>]+>|[\s\u202f]", "", left) == "1008of2048"


def test_a_too_long_chat_is_reported_before_it_is_sent(client, lin):
    large, small = (make_deployment(state="ready", details={"max_total": n}) for n in (2048, 512))
    stats = {"prompt_tokens": 262, "completion_tokens": 300, "answer_tokens": 300}
    turn = make_turn(lin, deployment=large, request={"model": "m"}, stats=stats)

    def page(deployment):
        address = reverse("conversation", args=[turn.conversation_id])
        return client.get(address, {"deployment": deployment.pk}).text

    assert f"{small.name}: 512 tokens. This chat has about 562." in page(small)
    assert re.search(r"context left</dt><dd>[^.]*?0[^.]*?of[^.]*?512", page(small))
    assert "This chat has about" not in page(large)


def test_an_answer_reaches_the_page_as_text_and_offers_no_more_if_it_ended(client, lin):
    turn = make_turn(lin, prompt="<i>", answer="<script>alert(1)</script>", finish_reason="stop")

    text = client.get(reverse("conversation", args=[turn.conversation_id])).text

    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert f'data-retry="{turn.pk}"' in text and "data-max-tokens" not in text


def test_a_conversation_is_renamed_and_deleted_with_its_streams(client, lin):
    turn = make_turn(lin)
    chat = turn.conversation
    store().append(f"turn/{turn.pk}", 0, b"data: {}\n")

    client.post(reverse("conversation-rename", args=[chat.pk]), {"title": "new"})
    chat.refresh_from_db()
    assert chat.title == "new"

    client.post(reverse("conversation-delete", args=[chat.pk]))
    assert not Conversation.objects.exists()
    assert store().size(f"turn/{turn.pk}") == 0


@pytest.mark.postgresql
def test_a_turn_with_a_reused_number_begins_empty(client, lin):
    """An older database was put back; the files of what it has forgotten are there still."""
    number = make_turn(lin).pk + 1
    store().append(f"turn/{number}", 0, b"data: {}\n")

    ask(client, deployment=make_deployment().pk)

    assert Turn.objects.last().pk == number
    assert store().size(f"turn/{number}") == 0


def test_a_conversation_with_a_running_answer_is_not_deleted(client, lin):
    turn = make_turn(lin, state="streaming")
    store().append(f"turn/{turn.pk}", 0, b"data: {}\n")
    delete = reverse("conversation-delete", args=[turn.conversation_id])
    with store().path(f"turn/{turn.pk}").with_suffix(".alive").open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)

        client.post(delete)
        assert Conversation.objects.filter(pk=turn.conversation_id).exists()

    client.post(delete)  # its process was killed
    assert not Conversation.objects.exists()


def test_deployments_of_one_name_show_number_and_port(client, lin):
    twins = [make_deployment(name="qwen", host_url=f"http://127.0.0.1:{n}") for n in (7863, 21000)]
    make_deployment(name="llama")

    page = client.get(reverse("playground")).text

    options = re.findall(r"<option [^>]*>([^<]*)</option>", page)
    assert {f"qwen (#{one.pk}, port {one.host_url[17:]})" for one in twins} < set(options)
    assert "llama" in options


# Endpoints: choice, rules at the field, marks, and what stays of old chats.


KEY, URL = "sk-very-secret-0123456789", "http://10.0.0.5:8000"


def key_of(endpoint):
    return f"endpoint:{endpoint.pk}"


def ask_endpoint(client, endpoint, **fields):
    return ask(client, **{"deployment": key_of(endpoint), **fields})


def text_of(client, address, **query):
    return html.unescape(client.get(address, query).text)


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


def test_a_question_goes_to_the_endpoint_and_looks_up_no_name(client, lin, monkeypatch):
    endpoint = make_endpoint("H800", model="team/R1", url="http://engine.invalid:8000")
    looked_up = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_more, **_: looked_up.append(host))

    address = ask_endpoint(client, endpoint).json()["url"]

    assert looked_up == []
    chat, turn = Conversation.objects.get(), Turn.objects.get()
    assert (chat.endpoint, chat.deployment, turn.deployment) == (endpoint, None, None)
    assert (turn.endpoint, turn.device, turn.request["model"]) == (endpoint, "8 × H800", "team/R1")
    assert f'href="{reverse("endpoint-detail", args=[endpoint.pk])}">team/R1</a>' in text_of(
        client, address
    )


@pytest.mark.parametrize(("chosen", "sent"), [("off", {"enable_thinking": False}), ("", None)])
def test_thinking_is_chosen_where_the_template_has_a_switch(client, lin, chosen, sent):
    endpoint = make_endpoint("Qwen3", thinking_switch="enable_thinking")
    new = text_of(client, reverse("playground"), deployment=key_of(endpoint))
    assert 'name="thinking"' in new

    address = ask_endpoint(client, endpoint, thinking=chosen).json()["url"]

    assert Turn.objects.get().request.get("chat_template_kwargs") == sent
    page = text_of(client, address)
    assert ('<span class="num nw">thinking off</span>' in page) is bool(sent)
    assert ('<option value="off" selected>off</option>' in page) is bool(sent)


def test_thinking_without_a_switch_is_refused_with_the_reason(client, lin):
    endpoint = make_endpoint("H800")
    new = text_of(client, reverse("playground"), deployment=key_of(endpoint))
    assert 'name="thinking"' not in new

    answer = ask_endpoint(client, endpoint, thinking="on")

    assert answer.status_code == 422
    assert "Endpoint H800 states no switch for thinking" in answer.json()["error"]


@pytest.mark.postgresql
def test_a_chat_moves_between_deployment_and_endpoint(client, lin):
    endpoint, deployment = make_endpoint("H800"), make_deployment(name="ours")
    ask_endpoint(client, endpoint)
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="Hi!")

    ask_endpoint(client, endpoint, deployment=deployment.pk, conversation=chat.pk)

    chat.refresh_from_db()
    assert (chat.endpoint, chat.deployment) == (None, deployment)
    assert [one.endpoint for one in chat.turns.order_by("index")] == [endpoint, None]
    assert [m["content"] for m in chat.turns.last().request["messages"]] == [
        *("Hello", "Hi!", "Hello")
    ]


def test_a_turn_keeps_the_device_as_it_was_stated(client, lin):
    endpoint = make_endpoint("H800")
    ask_endpoint(client, endpoint)
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

    answer = ask_endpoint(client, endpoint)

    assert answer.status_code == 422
    assert words in answer.json()["error"]
    assert not Conversation.objects.exists()


def with_key(**rules):
    keep_secret("H800_KEY", KEY, **{"purpose": "engine", "endpoints": [URL], **rules})
    Endpoint.objects.update(api_key="H800_KEY")


def test_the_key_is_on_no_page(client, lin):
    endpoint = make_endpoint("H800")
    with_key()
    answer = ask_endpoint(client, endpoint)
    chat = reverse("conversation", args=[Conversation.objects.get().pk])

    pages = [client.get(at).content for at in (chat, reverse("playground"))]

    assert KEY.encode() not in b"".join([answer.content, *pages])
    assert KEY not in str(Turn.objects.values())


@pytest.mark.parametrize("wanted", ["endpoint:", "endpoint:x", "endpoint:999999", "job:1", "-1"])
def test_an_engine_that_there_is_not_is_not_asked(client, lin, wanted):
    endpoint = make_endpoint("H800")

    answer = ask_endpoint(client, endpoint, deployment=wanted)

    assert (answer.status_code, Turn.objects.count()) == (422, 0)
    assert client.get(reverse("playground"), {"deployment": wanted}).status_code == 200


def test_an_old_chat_of_an_archived_endpoint_is_readable(client, lin):
    endpoint = make_endpoint("H800")
    ask_endpoint(client, endpoint)
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
    ask_endpoint(client, endpoint)
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


def test_messages_of_a_chat_become_the_prompts_of_a_benchmark(client, lin):
    set_role(lin, "member")
    deployment = make_deployment()
    ask(client, deployment=deployment.pk, prompt="one\ntwo")
    chat = Conversation.objects.get()
    chat.turns.update(state="done", answer="Hi!")
    ask(client, deployment=deployment.pk, conversation=chat.pk, prompt="three")
    address = reverse("conversation-benchmark", args=[chat.pk])

    opened = client.post(address, {"name": "mine"})
    again = client.post(address, {"name": "mine"}, follow=True)

    prompts = PromptSet.objects.get()
    assert (prompts.name, prompts_in(prompts.text)) == ("mine", ["one\ntwo", "three"])
    form = client.get(opened.url).text
    assert re.search(r'value="mine"[^>]* selected', form)
    assert "Another prompt set has this name. Choose another." in again.text
    assert AuditEntry.objects.get(action="prompts.add").subject == f"prompts {prompts.pk}"


def test_a_viewer_saves_no_prompts(client, lin):
    set_role(lin, "viewer")
    turn = make_turn(lin)

    answer = client.post(reverse("conversation-benchmark", args=[turn.conversation_id]))

    assert (answer.status_code, PromptSet.objects.count()) == (403, 0)
    assert (
        "Save prompts" not in client.get(reverse("conversation", args=[turn.conversation_id])).text
    )


@pytest.mark.parametrize("role", ["viewer", "member"])
def test_a_chat_of_another_person_is_refused_in_words(client, lin, role):
    chat = make_turn(make_user("mei"), answer="theirs").conversation
    set_role(lin, role)

    pages = [client.get(reverse("conversation", args=[chat.pk])), ask(client, conversation=chat.pk)]

    assert [page.status_code for page in pages] == [403, 403]
    for page in pages:
        assert "This chat belongs to another person" in page.text
        assert "Ask its owner to share it." in page.text
        assert "theirs" not in page.text
    assert "Your role does not allow this" in client.get(reverse("people")).text


def test_an_administrator_reads_a_chat_and_is_told_that_only_its_owner_changes_it(client):
    client.force_login(make_user("admin", is_staff=True))
    chat = make_turn(make_user("mei"), answer="theirs").conversation

    page = client.get(reverse("conversation", args=[chat.pk]))
    change = ask(client, conversation=chat.pk)

    assert "Chat of mei: read only. The audit log has this visit." in page.text
    assert "theirs" in page.text
    assert 'id="ask"' not in page.text
    assert change.status_code == 403
    assert "only its owner can change it" in change.text
    assert AuditEntry.objects.filter(action="conversation.view").count() == 1
