"""Chats over the API: own ones only, answers without a browser, errors at their fields."""

import asyncio
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import AsyncClient
from django.utils.timezone import now

from dashboard.chat import turns
from dashboard.security.listeners import session_guard
from jobs.access.accounts import set_role
from jobs.base import bounds
from jobs.base.files import locked
from jobs.logstore import store
from jobs.models import Account, AuditEntry, Conversation, Deployment, Endpoint, Turn
from tests.dashboard.lib.chat_engine import END, delta, make_turn, run
from tests.factories import keep_secret, make_deployment, make_endpoint, make_user

pytestmark = pytest.mark.django_db(transaction=True)

STATS = {
    **{"ttft_ms": 120.5, "first_answer_ms": 300.0, "thinking_ms": 179.5, "total_ms": 900.0},
    **{"tokens_per_s": 31.5, "prompt_tokens": 9, "completion_tokens": 24},
    **{"reasoning_tokens": 8, "answer_tokens": 16, "counted": False, "estimated": True},
}
ASK = {"prompt": "Hello", "max_tokens": 64, "temperature": 0.2}
SECRET = "sk-very-secret-0123456789"


def make_chat(caller, *answers, **fields):
    """A chat with a turn for each answer."""
    chat = Conversation.objects.create(user=caller.user, **fields)
    turn = None
    for index, answer in enumerate(answers):
        asked = {"index": index, "prompt": f"q{index}", "state": "done", "answer": answer}
        asked |= {"parent": turn, "finish_reason": "stop", "stats": STATS}
        turn = Turn.objects.create(conversation=chat, **asked)
    return chat


def address(turn):
    return f"conversations/{turn.conversation_id}/turns/{turn.pk}"


def asked_of(caller, **fields):
    return caller.post("conversations", {**ASK, **fields})


# Reading


def test_own_chats_are_listed_newest_first_and_paged(lin, api, admin):
    titles = [f"chat {number}" for number in range(3)]
    for age, title in enumerate(reversed(titles)):
        make_chat(lin, title=title, created_at=now() - timedelta(minutes=age))
    make_chat(api, title="secret")

    first = lin.get("conversations", limit=2).json()
    rest = lin.client.get(first["next"], headers=lin.headers).json()

    found = [one["title"] for page in (first, rest) for one in page["conversations"]]
    assert found == titles[::-1]
    assert rest["next"] is None
    assert {one["person"] for one in first["conversations"]} == {"lin"}
    assert admin.get("conversations").json()["conversations"] == []


def test_own_chats_are_found_by_their_text(lin, api):
    make_chat(lin, "They swim.", title="otters")
    make_chat(lin, "They fly.", title="owls")
    make_chat(api, "They swim.", title="secret")

    found = lin.get("conversations", text="swim q0").json()["conversations"]

    assert [one["title"] for one in found] == ["otters"]
    assert (found[0]["hit"]["part"], found[0]["hit"]["excerpt"]) == ("answer", "They swim.")


def test_a_chat_has_its_turns_with_times_and_tokens(lin):
    deployment = make_deployment()
    chat = make_chat(lin, "Hi!", deployment=deployment, params={"max_tokens": 64})
    request = {"model": "m", "max_tokens": 64, "messages": []}
    chat.turns.update(reasoning="Hm.", deployment=deployment, request=request)

    answer = lin.get(f"conversations/{chat.pk}").json()

    (turn,) = answer["turns"]
    assert (answer["engine"], answer["params"]) == (str(deployment.pk), {"max_tokens": 64})
    assert (turn["prompt"], turn["reasoning"], turn["answer"]) == ("q0", "Hm.", "Hi!")
    assert (turn["engine"], turn["params"]) == (str(deployment.pk), {"max_tokens": 64})
    assert (turn["state"], turn["finish_reason"], turn["message"]) == ("done", "stop", "")
    assert {name: turn[name] for name in STATS} == STATS


def test_a_long_chat_has_earlier_turns_on_another_page(lin):
    chat = make_chat(lin, *["a" * (bounds.CHAT_PAGE_CHARS // 2)] * 3)
    seen, before = [], ""

    while before is not None:
        part = lin.get(f"conversations/{chat.pk}", before=before).json()
        seen = [one["index"] for one in part["turns"]] + seen
        before = part["earlier"]

    assert seen == [0, 1, 2]


def test_a_failed_turn_says_why(lin):
    engine = make_chat(lin, "")
    engine.turns.update(state="failed", error="too long")
    ours = make_chat(lin, "")
    stats = {"error_id": "chat:key", "error_args": {"name": "H800_KEY"}}
    ours.turns.update(state="failed", stats=stats)

    texts = [
        lin.get(f"conversations/{chat.pk}").json()["turns"][0]["message"] for chat in (engine, ours)
    ]

    assert texts[0] == "too long"
    assert "H800_KEY was not sent" in texts[1]


# Privacy


def test_a_chat_of_another_person_does_not_exist(lin, api):
    turn = make_chat(lin, "Hi!").turns.get()
    path, body = address(turn), {**ASK, "engine": "1"}
    chat = path.partition("/turns")[0]

    answers = [
        *(api.get(one) for one in (chat, path)),
        api.send("patch", chat, {"title": "mine"}),
        api.send("delete", chat),
        *(api.post(one, body) for one in (f"{chat}/turns", f"{path}/stop", f"{path}/show")),
    ]

    assert [(one.status_code, one.json()["error"]) for one in answers] == [(404, "missing")] * 7
    words = "Not found: no object has this name or number."
    assert {one.json()["message"] for one in answers} == {words}
    assert not any("Hi!" in one.text for one in answers)
    assert Turn.objects.get().answer == "Hi!"
    refused = AuditEntry.objects.filter(action="access.refused")
    assert {entry.user.username for entry in refused} == {"ada"}
    assert refused.filter(subject=f"GET /api/v1/{chat}").exists()


def test_a_turn_is_of_its_own_chat_only(lin, api):
    theirs, own = make_chat(lin, "Hi!").turns.get(), make_chat(api, "a")

    answers = [
        api.get(f"conversations/{own.pk}/turns/{theirs.pk}"),
        api.post(f"conversations/{own.pk}/turns/{theirs.pk}/show"),
        api.post(f"conversations/{own.pk}/turns/{theirs.pk}/stop"),
    ]

    assert [one.status_code for one in answers] == [404] * 3


def test_an_administrator_reads_a_chat_with_an_entry_and_changes_nothing(lin, admin):
    turn = make_chat(lin, "Hi!", title="Sky").turns.get()
    path = f"conversations/{turn.conversation_id}"

    read = [admin.get(one).json() for one in (path, address(turn))]

    assert (read[0]["person"], read[1]["answer"]) == ("lin", "Hi!")
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.action) == (admin.user, "conversation.view")
    assert (entry.subject, entry.detail) == (f"conversation {turn.conversation_id}", {"of": "lin"})
    for change in (admin.send("patch", path, {"title": "mine"}), admin.send("delete", path)):
        assert (change.status_code, change.json()["error"]) == (403, "forbidden")
        words = "This conversation belongs to another person. Only its owner can change it."
        assert change.json()["message"] == words
    assert Conversation.objects.get().title == "Sky"


def test_own_reading_is_not_recorded(lin):
    turn = make_chat(lin, "Hi!").turns.get()

    lin.get(f"conversations/{turn.conversation_id}")
    lin.get(address(turn))

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("scope", ["read", "launch"])
def test_a_token_without_all_rights_reads_and_asks_nothing(lin, scope):
    chat = make_chat(lin, "Hi!")
    lin.user.api_tokens.update(scope=scope)

    asked = lin.post(f"conversations/{chat.pk}/turns", {**ASK, "engine": "1"})

    read = lin.get(f"conversations/{chat.pk}")
    for answer in (asked, read, lin.get("conversations")):
        assert (answer.status_code, answer.json()["error"]) == (403, "scope")


# Changes


def test_a_chat_is_renamed(lin):
    chat = make_chat(lin, title="old")

    answer = lin.send("patch", f"conversations/{chat.pk}", {"title": "  new "})

    assert (answer.status_code, answer.json()["title"]) == (200, "new")
    chat.refresh_from_db()
    assert chat.title == "new"


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, 7])
def test_a_title_that_cannot_be_is_an_error_at_its_field(lin, title):
    chat = make_chat(lin, title="old")

    answer = lin.send("patch", f"conversations/{chat.pk}", {"title": title})

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["title"])


def test_a_chat_is_deleted_with_its_streams_and_an_entry(lin):
    turn = make_chat(lin, "Hi!").turns.get()
    store().append(turns.key(turn.pk), 0, b"data: {}\n")

    answer = lin.send("delete", f"conversations/{turn.conversation_id}")

    assert (answer.status_code, answer.json()["id"]) == (200, turn.conversation_id)
    assert not Conversation.objects.exists()
    assert store().size(turns.key(turn.pk)) == 0
    assert AuditEntry.objects.get().action == "conversation.delete"


def test_a_chat_is_not_deleted_while_it_is_answered(lin):
    turn = make_chat(lin, "").turns.get()
    Turn.objects.update(state="streaming")
    store().append(turns.key(turn.pk), 0, b"data: {}\n")

    with locked(store().path(turns.key(turn.pk)).with_suffix(".alive")):
        answer = lin.send("delete", f"conversations/{turn.conversation_id}")

    assert (answer.status_code, answer.json()["error"]) == (409, "busy")
    assert Conversation.objects.exists()


def test_another_attempt_is_shown(lin):
    chat = make_chat(lin, "old")
    old = chat.turns.get()
    Turn.objects.update(is_shown=False)
    new = Turn.objects.create(conversation=chat, index=0, attempt=1, prompt="q0", state="done")

    shown = lin.post(f"{address(old)}/show").json()

    assert (shown["id"], shown["shown"], shown["attempts"]) == (old.pk, True, [old.pk, new.pk])
    assert lin.get(f"conversations/{chat.pk}").json()["turns"][0]["id"] == old.pk


# Questions that are refused


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"prompt": " "}, 422, "prompt"),
        ({"prompt": "x" * 200_001}, 422, "prompt"),
        ({"temperature": 9}, 422, "temperature"),
        ({"temperature": "warm"}, 400, "temperature"),
        ({"top_logprobs": False}, 400, "top_logprobs"),
        ({"seed": "1"}, 400, "seed"),
        ({"top_p": 0}, 422, "top_p"),
        ({"max_tokens": None}, 400, "max_tokens"),
        ({"max_tokens": 0}, 422, "max_tokens"),
        ({"max_tokens": 131_073}, 422, "max_tokens"),
        ({"seed": -1}, 422, "seed"),
        ({"thinking": "maybe"}, 400, "thinking"),
        ({"thinking": "on"}, 422, "thinking"),
        ({"engine": "endpoint:999999"}, 422, "engine"),
        ({"engine": "job:1"}, 422, "engine"),
        ({"engine": True}, 400, "engine"),
        ({"stream": True}, 400, "stream"),
    ],
)
def test_a_question_that_cannot_be_asked_is_an_error_at_its_field(lin, fields, status, field):
    engine = f"endpoint:{make_endpoint('H800').pk}"

    answer = asked_of(lin, **{"engine": engine, **fields})

    assert (answer.status_code, [*answer.json()["fields"]]) == (status, [field])
    assert not Conversation.objects.exists()


def test_an_engine_that_the_person_may_not_call_is_an_error_at_its_field(lin, admin):
    endpoint = make_endpoint("H800")
    keep_secret("H800_KEY", SECRET, purpose="engine", endpoints=[endpoint.url], people=[admin.user])
    Endpoint.objects.update(api_key="H800_KEY")

    answer = asked_of(lin, engine=f"endpoint:{endpoint.pk}")

    assert answer.status_code == 422
    assert answer.json()["fields"]["engine"].startswith("You may not use secret H800_KEY.")
    assert SECRET not in answer.text


def test_a_second_question_waits_for_the_end_of_the_first(lin):
    chat = make_chat(lin, "")
    Turn.objects.update(state="streaming")
    body = {**ASK, "engine": make_deployment().pk}

    answer = lin.post(f"conversations/{chat.pk}/turns", body)

    assert (answer.status_code, answer.json()["error"]) == (409, "busy")
    assert Turn.objects.count() == 1


@pytest.mark.parametrize("name", ["after", "retry", "continues"])
def test_a_turn_of_another_chat_is_refused_at_its_field(lin, api, name):
    chat, other = make_chat(lin, "a"), make_chat(api, "secret")
    body = {**ASK, "engine": make_deployment().pk, name: other.turns.get().pk}

    answer = lin.post(f"conversations/{chat.pk}/turns", body)

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, [name])
    assert chat.turns.count() == 1


@pytest.mark.parametrize(
    ("prompt", "attempts", "messages"), [("q0", 2, 1), ("Another question", 1, 2)]
)
def test_an_early_question_begins_a_branch(lin, prompt, attempts, messages):
    chat = make_chat(lin, "a", "b")
    first, second = chat.turns.all()
    body = {**ASK, "engine": make_deployment().pk, "retry": first.pk, "prompt": prompt}

    turn = lin.post(f"conversations/{chat.pk}/turns", body).json()

    assert (turn["index"], turn["parent"]) == (0, None)
    assert (len(turn["attempts"]), len(turn["messages"])) == (attempts, messages)
    shown = lin.get(f"conversations/{chat.pk}?turn={turn['id']}").json()["turns"]
    other = lin.get(f"conversations/{chat.pk}?turn={second.pk}").json()["turns"]
    assert [one["id"] for one in shown] == [turn["id"]]
    assert [one["id"] for one in other] == [first.pk, second.pk]


# Answers. The caller's requests run in the event loop of the engine, as on the web server.


def called(caller, method, path, body):
    try:
        answer = caller.get(path) if method == "get" else caller.send(method, path, body)
        return answer.status_code, answer.json()
    finally:
        connections.close_all()


def chatting(caller, scenario):
    """Run a scenario with an engine and a deployment of it; return the last turn."""

    async def whole(engine, turn):
        async def call(method, path, body=None):
            # Not in the thread of the test, which the end of a turn needs meanwhile.
            return await sync_to_async(called, thread_sensitive=False)(caller, method, path, body)

        await scenario(engine, call, turn.deployment_id)

    run(whole, lambda url: make_turn(url, caller.user))
    return Turn.objects.last()


async def ended(number):
    if running := turns.running(number):
        await asyncio.wait({running.task})


@pytest.mark.postgresql
def test_a_question_is_answered_without_a_browser(lin):
    async def scenario(engine, call, deployment):
        await engine.ends(delta(reasoning_content="Hm.") + delta(content="Four.") + END)
        body = {**ASK, "engine": deployment, "system": "Be brief."}

        status, turn = await call("post", "conversations", body)
        assert (status, turn["state"], turn["answer"]) == (201, "streaming", "")
        await ended(turn["id"])

        path = f"conversations/{turn['conversation']}"
        _status, turn = await call("get", f"{path}/turns/{turn['id']}")
        assert (turn["state"], turn["reasoning"], turn["answer"]) == ("done", "Hm.", "Four.")
        assert 0 < turn["ttft_ms"] <= turn["total_ms"]
        assert engine.requests[0]["messages"] == [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello"},
        ]
        assert (await call("get", path))[1]["title"] == "Hello"

    chatting(lin, scenario)


def test_a_further_question_sends_the_answers_before_and_a_retry_adds_an_attempt(lin):
    async def scenario(engine, call, deployment):
        body = {**ASK, "engine": str(deployment)}
        await engine.ends(delta(content="Hi!") + END)
        _status, first = await call("post", "conversations", body)
        await ended(first["id"])
        path = f"conversations/{first['conversation']}/turns"

        await engine.ends(delta(content="Yes.") + END)
        status, second = await call("post", path, {**body, "prompt": "Really?"})
        await ended(second["id"])
        assert (status, second["index"]) == (201, 1)
        assert [one["content"] for one in engine.requests[1]["messages"]] == [
            *("Hello", "Hi!", "Really?")
        ]

        await engine.ends(delta(content="No.") + END)
        again = {**body, "prompt": "Really?", "retry": second["id"]}
        _status, third = await call("post", path, again)
        await ended(third["id"])
        assert third["attempts"] == [second["id"], third["id"]]
        assert engine.requests[2] == engine.requests[1]

    assert chatting(lin, scenario).answer == "No."


def waited(caller, path, pieces):
    """Return a task that takes the pieces of an answer as they come."""

    async def take():
        answer = await AsyncClient().get(f"/api/v1/{path}", headers=caller.headers)
        async for piece in answer.streaming_content:
            pieces.append(piece)
        return json.loads(b"".join(pieces))

    return asyncio.create_task(take())


def test_a_reader_waits_for_the_end_of_a_turn(lin):
    async def scenario(engine, call, deployment):
        _status, turn = await call("post", "conversations", {**ASK, "engine": deployment})
        path = f"conversations/{turn['conversation']}/turns/{turn['id']}?wait=60"
        waiting = waited(lin, path, [])
        await engine.say.put(delta(content="Fo"))
        await asyncio.wait({waiting}, timeout=0.2)
        assert not waiting.done()

        await engine.ends(delta(content="ur.") + END)

        answer = await waiting
        assert (answer["id"], answer["state"], answer["answer"]) == (turn["id"], "done", "Four.")

    chatting(lin, scenario)


def test_an_administrator_no_more_does_not_get_the_answer(lin, admin):
    async def scenario(engine, call, deployment):
        _status, turn = await call("post", "conversations", {**ASK, "engine": deployment})
        path = f"conversations/{turn['conversation']}/turns/{turn['id']}?wait=60"
        waiting = waited(admin, path, [])
        while not session_guard()._listeners:
            await asyncio.sleep(0.01)

        await sync_to_async(make_user)("boss", is_staff=True)
        await sync_to_async(set_role)(admin.user, Account.Role.MEMBER)
        session_guard().check_soon()

        answer = await waiting
        assert (answer["error"], "answer" in answer) == ("forbidden", False)
        await engine.ends(delta(content="Four.") + END)
        await ended(turn["id"])

    chatting(lin, scenario)


def test_a_turn_is_stopped_with_the_part_that_came(lin):
    async def scenario(engine, call, deployment):
        _status, turn = await call("post", "conversations", {**ASK, "engine": deployment})
        await engine.say.put(delta(content="Fo"))
        while not turns.running(turn["id"]).size:
            await turns.running(turn["id"]).news()
        path = f"conversations/{turn['conversation']}/turns/{turn['id']}/stop"

        status, stopped = await call("post", path)
        assert (status, stopped["state"], stopped["answer"]) == (200, "stopped", "Fo")
        await engine.was_left.wait()

        status, again = await call("post", path)
        assert (status, again["error"]) == (409, "finished")

    chatting(lin, scenario)


def test_the_key_of_an_engine_is_in_no_answer(lin):
    keep_secret("API_KEY", SECRET, purpose="engine")

    async def scenario(engine, call, deployment):
        await sync_to_async(Deployment.objects.update)(details={"api_key": "API_KEY"})
        await engine.ends(delta(content=f"It is {SECRET}.") + END)

        _status, turn = await call("post", "conversations", {**ASK, "engine": deployment})
        await ended(turn["id"])
        path = f"conversations/{turn['conversation']}"
        answers = [turn, *[await call("get", path), await call("get", "conversations")]]

        assert engine.keys == [f"Bearer {SECRET}"]
        assert "It is *" in str(answers)
        assert SECRET not in str(answers)

    chatting(lin, scenario)


def test_an_engine_that_is_not_there_fails_the_turn(lin):
    async def scenario(_engine, call, _deployment):
        away = await sync_to_async(make_deployment)(dashboard_url="http://127.0.0.1:9")
        _status, turn = await call("post", "conversations", {**ASK, "engine": away.pk})
        await ended(turn["id"])
        path = f"conversations/{turn['conversation']}/turns/{turn['id']}"
        _status, turn = await call("get", path)
        assert turn["state"] == "failed"
        assert turn["message"]

    assert chatting(lin, scenario).stats["error_id"] == "chat:unreachable"


def test_a_turn_that_no_process_began_ends_when_it_is_read(lin):
    chat = make_chat(lin, "Hi!")
    turn = chat.turns.get()
    Turn.objects.update(state="streaming", answer="")
    assert lin.get(f"conversations/{chat.pk}/turns/{turn.pk}").json()["state"] == "streaming"
    Turn.objects.update(created_at=now() - timedelta(minutes=1))

    answer = lin.get(f"conversations/{chat.pk}/turns/{turn.pk}").json()

    assert (answer["state"], answer["message"]) == (
        "failed",
        "The dashboard was stopped during this answer.",
    )


def test_a_turn_whose_process_was_killed_ends_when_it_is_read(lin):
    turn = make_chat(lin, "").turns.get()
    Turn.objects.update(state="streaming", stats={})
    store().append(turns.key(turn.pk), 0, delta(content="half"))
    store().path(turns.key(turn.pk)).with_suffix(".alive").write_text("1\n")

    answer = lin.get(address(turn)).json()

    assert (answer["state"], answer["answer"]) == ("failed", "half")


def test_a_turn_that_never_started_is_stopped_too(lin):
    turn = make_chat(lin, "").turns.get()
    Turn.objects.update(state="streaming", stats={})

    answer = lin.post(f"{address(turn)}/stop")

    assert (answer.status_code, answer.json()["state"]) == (200, "stopped")
