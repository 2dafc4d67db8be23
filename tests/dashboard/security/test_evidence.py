"""Audit entries besides changes: failed logins, refusals, downloads, checks, secrets."""

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from dashboard.security import audit_log
from jobs.models import AuditEntry, Conversation, Turn
from jobs.plans import Plan, Step
from jobs.schedule import lifecycle
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.chat_engine import Browser
from tests.dashboard.lib.host_caller import Caller as HostCaller
from tests.dashboard.lib.streams import content_of
from tests.factories import (
    keep_secret,
    make_deployment,
    make_host,
    make_job,
    make_measured,
    make_user,
)

pytestmark = pytest.mark.django_db

HERE, THERE = "192.0.2.7", "192.0.2.8"


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The hour does not change in the middle of a test."""
    moments = [1_000_000_000.0]
    monkeypatch.setattr(audit_log, "time", lambda: moments[0])
    return moments


@pytest.fixture
def lin(client):
    user = make_user("lin", password="correct horse battery")
    client.force_login(user)
    return user


def entries(action):
    """Return (person, subject, detail, origin) of each entry, in order."""
    rows = AuditEntry.objects.filter(action=action).order_by("pk").select_related("user")
    return [(row.user and row.user.username, row.subject, row.detail, row.origin) for row in rows]


def log_in(name, password="wrong", address=HERE):
    data = {"username": name, "password": password}
    return Client().post(reverse("login"), data, REMOTE_ADDR=address)


# Logins


def test_a_name_of_nobody_is_not_recorded_as_typed():
    log_in("my-secret-password")

    assert entries("account.refused") == [(None, "user unknown", {}, HERE)]


def test_logins_are_recorded_and_the_failed_counted_by_name_and_address():
    user = make_user("eve", password="correct horse battery")
    for _ in range(4):
        log_in("eve")
    log_in("eve", address=THERE)
    log_in("eve", "correct horse battery")

    subject = f"user {user.pk}"
    assert entries("account.refused") == [(None, subject, {}, HERE), (None, subject, {}, THERE)]
    assert entries("account.login") == [("eve", subject, {}, HERE)]


def test_a_flood_of_logins_makes_a_few_entries_with_their_number():
    for number in range(130):
        log_in(f"person-{number}")

    delayed = [detail for _p, _s, detail, _o in entries("account.refused") if detail]
    assert [detail.get("count") for detail in delayed] == [None, 10, 100]
    assert {detail["did"] for detail in delayed} == {"delayed"}
    assert AuditEntry.objects.count() < 30


# Refusals


def test_a_refused_page_is_recorded_with_its_person(client, lin):
    client.get(reverse("audit"), REMOTE_ADDR=HERE)

    assert entries("access.refused") == [("lin", "GET /audit/", {}, HERE)]


def test_a_refused_call_of_the_api_is_recorded_with_its_person():
    job = make_job(created_by=make_user("ada"))

    Caller(make_user("eve")).post(f"jobs/{job.pk}/cancel", {})

    call = f"POST /api/v1/jobs/{job.pk}/cancel"
    assert entries("access.refused") == [("eve", call, {}, "127.0.0.1")]


def test_a_forged_form_is_recorded(lin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(lin)

    assert browser.post(reverse("logout")).status_code == 403

    assert entries("access.refused")[0][:2] == ("lin", "POST /logout/")


@pytest.mark.parametrize(
    ("address", "did"), [("/api/v1/jobs", "token"), ("/api/v1/host/heartbeat", "host")]
)
def test_an_unknown_key_is_recorded(client, address, did):
    headers = {"Authorization": "Bearer unknown"}
    call = client.post if did == "host" else client.get

    assert call(address, headers=headers, REMOTE_ADDR=HERE).status_code == 401

    assert entries("access.refused") == [(None, address, {"did": did}, HERE)]


def test_a_page_before_the_login_is_no_refusal(client):
    client.get(reverse("audit"))
    client.get("/api/v1/jobs")
    client.get("/api/v1/jobs", headers={"Authorization": "Basic eDp5"})

    assert not AuditEntry.objects.exists()


def test_a_flood_of_refusals_makes_a_few_entries_an_hour(client, lin, clock):
    for _ in range(100):
        client.get(reverse("audit"))

    assert [detail for _p, _s, detail, _o in entries("access.refused")] == [
        {},
        {"count": 10},
        {"count": 100},
    ]
    clock[0] += audit_log.WINDOW_S
    client.get(reverse("audit"))
    assert entries("access.refused")[3][2] == {}


def test_a_flood_over_many_addresses_is_bounded_and_hides_no_other_person(client, lin, monkeypatch):
    monkeypatch.setattr(audit_log, "MOST_AN_HOUR", 5)
    for number in range(20):
        client.get(reverse("person-password", args=[number]))
    client.force_login(make_user("eve"))
    client.get(reverse("audit"))

    people = [person for person, *_rest in entries("access.refused")]
    assert people == ["lin"] * 6 + ["eve"]  # the sixth is the tenth of all


# Downloads


def test_a_download_is_recorded_with_its_filters(client, lin):
    make_measured()

    query = {"format": "csv", "q": "r1"}
    answer = client.get(reverse("result-list"), query, REMOTE_ADDR=HERE)

    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert entries("data.export") == [("lin", "/results/", {"query": "format=csv&q=r1"}, HERE)]


def test_a_download_of_the_audit_log_is_in_it(client):
    client.force_login(make_user("root", is_staff=True))
    answer = client.get(reverse("audit-export", args=["csv"]), {"person": "lin"})
    content_of(answer)

    assert entries("data.export")[0][:3] == ("root", "/audit/entries.csv", {"query": "person=lin"})


def test_a_page_and_a_failed_download_are_no_download(client, lin):
    client.get(reverse("result-list"))
    client.get(reverse("audit-export", args=["csv"]))
    client.head(reverse("result-list"), {"format": "csv"})

    assert entries("data.export") == []


# A database that cannot be written


@pytest.fixture
def no_writer(monkeypatch):
    def fail(*_args, **_fields):
        raise OperationalError("database is locked")

    monkeypatch.setattr(AuditEntry.objects, "create", fail)


@pytest.mark.usefixtures("no_writer")
def test_a_download_is_sent_and_logged_while_nothing_can_be_recorded(client, lin, caplog):
    make_measured()

    answer = client.get(reverse("result-list"), {"format": "csv"}, REMOTE_ADDR=HERE)

    assert (answer.status_code, content_of(answer)[:3]) == (200, b"\xef\xbb\xbf")
    for part in ("data.export", "/results/", "format=csv", "lin", HERE, "database is locked"):
        assert part in caplog.text


@pytest.mark.usefixtures("no_writer")
def test_a_refusal_stays_one_while_nothing_can_be_recorded(client, lin, caplog):
    assert client.get(reverse("audit")).status_code == 403
    assert client.get("/api/v1/jobs", headers={"Authorization": "Bearer x"}).status_code == 401
    assert caplog.text.count("not recorded: access.refused") == 2


# Secrets


def test_a_secret_that_goes_to_a_host_is_recorded_once_a_claim():
    keep_secret("HF_TOKEN", "hf_0123456789")
    host = HostCaller(make_host("far"))
    step = Step("a", ("true",), env=(("HF_TOKEN", "{secret:HF_TOKEN}"),))
    job = make_job(host=host.host, plan=Plan(kind="prepare", steps=(step,)))
    lifecycle.lease_job(job.pk, values={})

    for _ in range(2):
        assert host.post(f"jobs/{job.pk}/claim", {"claim_id": "n"}).status_code == 200

    given = {"secrets": ["HF_TOKEN"], "job": job.pk}
    assert entries("secret.hand_over") == [(None, "host far", given, "127.0.0.1")]


# Chats


@pytest.fixture
def chat():
    """A chat of chen: a question with two attempts at its answer."""
    chat = Conversation.objects.create(
        user=make_user("chen"), title="otters", deployment=make_deployment()
    )
    made = {"conversation": chat, "index": 0, "prompt": "Where are otters?", "state": "done"}
    Turn.objects.create(**made, answer="In a river.", is_shown=False)
    Turn.objects.create(**made, answer="In a lake.", attempt=1)
    return chat


@pytest.fixture
def root(client):
    user = make_user("root", is_staff=True)
    client.force_login(user)
    return user


def test_an_administrator_reads_another_person_s_chat_and_the_log_says_so(client, root, chat):
    page = client.get(reverse("conversation", args=[chat.pk]), REMOTE_ADDR=HERE)
    client.get(reverse("playground-turn", args=[chat.turns.last().pk]))

    assert "In a lake." in page.text
    assert "Chat of chen: read only." in page.text
    subject = f"conversation {chat.pk}"
    assert entries("conversation.view") == [
        ("root", subject, {"of": "chen"}, HERE),
        ("root", subject, {"of": "chen"}, "127.0.0.1"),
    ]


def test_the_page_of_another_person_s_chat_has_nothing_to_write_with(client, root, chat):
    page = client.get(reverse("conversation", args=[chat.pk])).text

    for part in ('id="ask"', "data-retry", "conversation-rename", "/delete/", "js/playground.js"):
        assert part not in page
    assert not any(part in page for part in ("data-edit", "data-continue"))
    assert page.count("data-attempt=") == page.count("disabled") + page.count("?turn=") == 2


def test_an_administrator_writes_nothing_into_another_person_s_chat(client, root, chat):
    turn = chat.turns.last()
    form = {"conversation": chat.pk, "prompt": "Hi", "max_tokens": 8}
    form["deployment"] = chat.deployment_id
    posts = {
        reverse("playground-ask"): form,
        reverse("playground-show", args=[turn.pk]): {},
        reverse("conversation-rename", args=[chat.pk]): {"title": "x"},
        reverse("conversation-delete", args=[chat.pk]): {},
    }

    assert {client.post(address, data).status_code for address, data in posts.items()} == {403}

    chat.refresh_from_db()
    assert (chat.title, chat.turns.count()) == ("otters", 2)


def test_one_s_own_chat_is_read_without_an_entry(client, chat):
    client.force_login(chat.user)

    page = client.get(reverse("conversation", args=[chat.pk])).text

    assert 'id="ask"' in page and "read only" not in page
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_administrator_starts_and_stops_no_answer_of_another_person(client, root, chat):
    async def status(method, address):
        browser = Browser(client, address, method=method)
        await browser.task
        return browser.status

    verbs = {"start": "POST", "stop": "POST", "stream": "GET"}
    turn = chat.turns.last().pk
    calls = [(method, f"/relay/turns/{turn}/{verb}") for verb, method in verbs.items()]
    statuses = [async_to_sync(status)(*call) for call in calls]

    assert statuses == [404] * 3
    assert [subject for _p, subject, *_rest in entries("access.refused")] == [
        " ".join(call) for call in calls
    ]
