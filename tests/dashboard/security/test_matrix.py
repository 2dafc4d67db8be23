"""Role × address × method × operation × socket × token scope, by real requests; rights alone."""

import json
import re
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from http import HTTPStatus
from itertools import chain, count, product
from types import SimpleNamespace
from unittest.mock import patch
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.template import Template
from django.test.client import Client, ClientHandler
from django.urls import get_resolver
from django.utils.safestring import SafeString
from django.utils.timezone import now, timedelta

from dashboard import consumers
from dashboard.actions.chat_shares import share
from dashboard.asgi import application
from dashboard.chat.relay import _METHODS as RELAY_METHODS
from dashboard.security.counters import hashed
from dashboard.security.listeners import LOGGED_OUT
from dashboard.security.permissions import ACTIONS, Need, allowed, requires
from jobs.models import (
    Account,
    ApiToken,
    Conversation,
    Matrix,
    MatrixCell,
    Note,
    ResultPoint,
    SavedView,
    SignOff,
    Tag,
    Turn,
)
from jobs.services.upkeep.retention import Pin
from tests.dashboard.lib.chat_engine import Browser
from tests.dashboard.lib.routes import every_pattern
from tests.dashboard.security.rules import API, METHODS, PAGES, RELAY, SOCKETS, Case, cases
from tests.factories import (
    host_key,
    make_deployment,
    make_endpoint,
    make_host,
    make_job,
    make_level,
    make_measured,
    make_preset,
    make_prompts,
    make_user,
)
from tests.jobs.lib.importing import imported
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.django_db

ROUTES = {pattern.name: route for route, pattern in every_pattern(get_resolver().url_patterns)}
OF_PAGES, OF_API = cases(PAGES), cases(API)
# A method that an operation does not have is refused before its caller is looked at.
OF_API_RULED = {name: [case for case in row if case.rule] for name, row in OF_API.items()}
REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_addresses = count(1)


@dataclass(frozen=True)
class Actor:
    """A person by session or by token. ``as_role``: their role for this request."""

    name: str
    person: str = ""
    as_role: str = ""
    scope: str = ""

    @property
    def role(self) -> str:
        """Return the role that the token leaves."""
        if self.scope == "models":
            return ""
        role = self.as_role or {"other": "member", "owner": "member"}.get(self.person, self.person)
        if self.scope == "read" and role:
            return "viewer"
        return "member" if (self.scope, role) == ("launch", "admin") else role

    @property
    def is_whole(self) -> bool:
        """Return True for a session, and for a token that carries all rights of its person."""
        return self.scope in ("", "admin")

    def may(self, rule: str) -> bool:
        """Return True if the rule lets the actor in."""
        is_owner = self.person == "owner" and self.scope != "models"
        is_mine = is_owner and self.is_whole
        return {
            "anyone": True,
            "viewer": bool(self.role),
            "member": self.role in ("member", "admin"),
            "person": bool(self.role) and self.is_whole,
            "member-person": self.role in ("member", "admin") and self.is_whole,
            "owner-person": self.role == "admin" or (is_mine and self.role == "member"),
            "person-hidden": is_mine or self.role == "admin",
            "mine": is_mine,
            "mine-hidden": is_mine,
            "mine-shown": is_mine,
            "mine-member": is_mine and self.role == "member",
            "mine-member-shown": is_mine and self.role == "member",
            "own": is_owner or self.role == "admin",
            "own-hidden": is_owner or self.role == "admin",
            "owner": (is_owner and self.role == "member") or self.role == "admin",
            "admin": self.role == "admin",
            "host": False,
        }[rule]


SESSIONS = [
    Actor("stranger"),
    Actor("viewer", "viewer"),
    Actor("member", "other"),
    Actor("owner", "owner"),
    Actor("owner who is a viewer now", "owner", as_role="viewer"),
    Actor("admin", "admin"),
]
TOKENS = [
    Actor(f"{scope} token of {person} {as_role}", person, as_role, scope)
    for scope in ApiToken.Scope.values
    for person, as_role in (
        *(("viewer", ""), ("other", ""), ("owner", ""), ("owner", "viewer"), ("admin", "")),
    )
]


@pytest.fixture
def made(db):
    """All records; each request is undone."""
    people = {
        "viewer": make_user("viewer", role="viewer"),
        "other": make_user("other"),
        "owner": make_user("owner"),
        "admin": make_user("admin", is_staff=True),
    }
    owner, host = people["owner"], make_host("far")
    fields = {"host": host, "created_by": owner}
    chain = uuid4()
    job = make_job(**fields, kind="benchmark", chain=chain)
    done = make_job(**fields, kind="deploy", state="succeeded")
    kept = make_job(**fields, state="succeeded", pinned_at=now(), pinned_by=owner)
    deployment = make_deployment(job=done, created_by=owner)
    measured = make_job(**fields, kind="evaluate", state="succeeded")
    chat = Conversation.objects.create(user=owner, deployment=deployment)
    turn = Turn.objects.create(conversation=chat, index=0, prompt="Hi", request={}, state="done")
    for name, person in people.items():
        for scope in ApiToken.Scope.values:
            ApiToken.objects.create(
                user=person, name=scope, scope=scope, token_sha256=hashed(f"{scope} {name}")
            )
    ApiToken.objects.create(
        user=people["admin"],
        name="old",
        token_sha256=hashed("expired"),
        expires_at=now() - timedelta(days=1),
    )
    result = make_measured(job=measured, scores=[1, 0], created_by=owner)
    ResultPoint.objects.create(result=result, index=0, concurrency=1, metrics={})
    theirs = imported(user=owner)
    numbers = {
        "deployment_id": deployment.pk,
        "owner_id": job.pk,
        "result_id": result.pk,
        "import_id": theirs.imported_id,
        "import_result_id": theirs.pk,
        "pk": result.pk,
        "rest": "notes/",
        "index": 0,
        "concurrency": 1,
        "conversation_id": chat.pk,
        "turn_id": turn.pk,
        "token_id": owner.api_tokens.get(scope="read").pk,
        "user_id": make_user("third").pk,
        **_around_results(result, job, owner),
    }
    texts = {"chain_id": chain, "name": "far", "kind_name": "benchmark", "owner": "jobs"}
    texts |= {"model_id": "deepseek-r1", "pipeline_id": "full", "table": "jobs", "ending": "csv"}
    texts |= {"tag": "owned", "key": "mlperf-chat", "set_id": "basics", "host_name": "far"}
    texts["share_key"] = share(owner, chat, 7).key
    return SimpleNamespace(
        people=people,
        sessions={name: _session_of(person) for name, person in people.items()},
        values=numbers | texts,
        jobs={"job": job.pk, "kept": kept.pk},
        turn=turn,
        handler=ClientHandler(enforce_csrf_checks=False),
    )


def _around_results(result, job, owner):
    """Numbers of what a person adds beside results."""
    added = {"result": result, "created_by": owner}
    Tag.objects.create(**added, name="owned")
    endpoint = make_endpoint("theirs", url="http://127.0.0.1:9", created_by=owner)
    matrix = Matrix.objects.create(
        title="m", kind="benchmark", host=job.host, spec={}, created_by=owner
    )
    shape = {"row": 0, "column": 0, "place": 0, "output_tokens": 8, "concurrency": 1}
    cell = MatrixCell.objects.create(matrix=matrix, job=job, **shape)
    return {
        "endpoint_id": endpoint.pk,
        "matrix_id": matrix.pk,
        "cell_id": cell.pk,
        "run_id": cell.pk,
        "level_id": make_level(created_by=owner).pk,
        "preset_id": make_preset(created_by=owner).pk,
        "prompt_set_id": make_prompts(created_by=owner).pk,
        "note_id": Note.objects.create(**added, text="seen").pk,
        "sign_off_id": SignOff.objects.create(**added, purpose="a customer").pk,
        "view_id": SavedView.objects.create(created_by=owner, name="ours").pk,
    }


def _session_of(person):
    client = Client()
    client.force_login(person)
    return client.session.session_key


@contextmanager
def in_role(made, actor):
    """Give the actor their role meanwhile."""
    account = Account.objects.filter(user=made.people.get(actor.person))
    if actor.as_role:
        account.update(role=actor.as_role)
    yield
    if actor.as_role:
        account.update(role=Account.Role.MEMBER)


@contextmanager
def undone(made, actor):
    """Give the actor their role; undo all that the request changes."""
    with in_role(made, actor), transaction.atomic():
        yield
        transaction.set_rollback(True)


def without_templates():
    """Leave every page empty meanwhile: a status is settled before its page is rendered."""
    return patch.object(Template, "render", lambda *_arguments: SafeString(""))


def client_of(made, actor):
    """A browser or a program of the actor."""
    client = Client(raise_request_exception=False)
    client.handler = made.handler  # with its middleware
    if actor.person and not actor.scope:
        client.cookies[settings.SESSION_COOKIE_NAME] = made.sessions[actor.person]
    return client


def address_of(made, case):
    def value(match):
        kind, _colon, name = match[1].rpartition(":")
        if kind.startswith("uuid"):
            return str(made.values["chain_id"])
        is_log = name == "record_id" and "deployments" in ROUTES[case.name]
        known = {"job_id": made.jobs[case.job], "record_id": made.jobs[case.job], **made.values}
        found = str(known["deployment_id"] if is_log else known.get(name, 1))
        return f"res-{found}" if kind in ("result", "typed_result") else found

    return "/" + re.sub(r"<([^>]+)>", value, ROUTES[case.name].replace("^(?!host/)", "nothing"))


def status_of(made, actor, case, **headers):
    """The status of a request; 302 for a way to the login page, 200 for any other."""
    is_api = case.name in OF_API
    if actor.scope:
        headers["Authorization"] = f"Bearer {actor.scope} {actor.person}"
    if not is_api and "Authorization" not in headers:
        headers["Accept"] = "application/json" if case.method == "POST" else "text/html"
    body = case.body or ("{}" if is_api and case.method != "GET" else "")
    kind = "application/json" if is_api else "application/x-www-form-urlencoded"
    with undone(made, actor):
        answer = client_of(made, actor).generic(
            case.method,
            address_of(made, case),
            body,
            content_type=kind,
            headers=headers,
            REMOTE_ADDR=f"10.0.{next(_addresses) // 250}.{next(_addresses) % 250 + 1}",
        )
        if answer.status_code == HTTPStatus.FOUND:
            return 302 if "/login/?next=" in answer.headers["Location"] else 200
        return answer.status_code


SHOWN = ("mine-shown", "mine-member-shown")  # to admins, who may not change it


def expected(actor, case):
    """Statuses that the rule allows; None: any that is no refusal and no failure of ours."""
    if not case.rule:
        # Whatever the method: who is logged in leaves the login page, others are sent there.
        if case.name == "login" and actor.role:
            return (200,)
        return (405,) if actor.role or case.name in OF_API else (302, 405)
    if actor.may(case.rule):
        return None
    if case.rule == "host":
        return (401,)
    if actor.scope == "models":
        return (403,)
    if not actor.role:
        return (401,) if case.name in OF_API else (302,)
    if case.rule in (*SHOWN, "mine-hidden", "person-hidden") and not actor.is_whole:
        return (403,)  # before the object is looked up
    if case.rule in SHOWN:
        return (403,) if actor.person == "owner" or actor.role == "admin" else (404,)
    return (404,) if case.rule.endswith("-hidden") else (403,)


def is_right(status, actor, case):
    wanted = expected(actor, case)
    if wanted is not None:
        return status in wanted
    if case.name == "health" and status == HTTPStatus.SERVICE_UNAVAILABLE:
        return True  # it says so about itself: there is no Redis here
    return status < 500 and status not in (*REFUSED, 302, 405)


# A right that lets a viewer in lets members in, and one for members is one for owners. So these
# people and strangers tell every breach of a rule. Owners come as members and as viewers.
TELLING = {
    "": ("admin",),  # closed to all
    "host": ("admin",),
    "anyone": ("viewer", "admin"),
    "viewer": ("viewer", "admin"),
    "person": ("viewer", "admin"),
    "member": ("viewer", "other", "admin"),
    "member-person": ("viewer", "other", "admin"),
    "admin": ("owner", "admin"),
}
OF_OBJECTS = ("other", "owner", "admin")


def telling(actors, rule):
    """Actors whose statuses tell every breach of the rule."""
    people = TELLING.get(rule, OF_OBJECTS)
    return [actor for actor in actors if not actor.person or actor.person in people]


def wrong(made, actors, table, **headers):
    """Each answer that breaks its rule."""
    found = []
    for case in chain.from_iterable(table.values()):
        # One of those who are let in sees the page; the rights of the others need the view alone.
        seeing = next((actor for actor in actors if case.rule and actor.may(case.rule)), None)
        for actor in telling(actors, case.rule):
            with nullcontext() if actor is seeing else without_templates():
                status = status_of(made, actor, case, **headers)
            if not is_right(status, actor, case):
                asked = f"{case.name} {case.method} {case.rule} {case.body}"
                found.append(f"{asked}: {actor.name} gets {status}")
    return found


def test_every_address_has_a_rule():
    assert set(ROUTES) == OF_PAGES.keys() | OF_API.keys()
    assert {name for name, route in ROUTES.items() if route.startswith("api/v1/")} == {
        *OF_API,
        "api-root",
        "api-reference-file",
    }


def test_a_page_is_open_to_those_of_its_rule_only(made):
    assert wrong(made, SESSIONS, OF_PAGES) == []


def test_an_operation_is_open_to_those_of_its_rule_only(made):
    assert wrong(made, SESSIONS, OF_API) == []


def test_a_token_opens_what_its_scope_and_its_persons_role_allow(made):
    assert wrong(made, TOKENS, OF_API_RULED) == []


def test_a_token_opens_no_page(made):
    assert wrong(made, [Actor("stranger")], OF_PAGES, Authorization="Bearer admin admin") == []


@pytest.mark.parametrize("token", ["expired", "unknown"])
def test_a_token_that_is_expired_or_unknown_opens_nothing(made, token):
    assert wrong(made, [Actor("stranger")], OF_API_RULED, Authorization=f"Bearer {token}") == []


def test_a_host_is_let_in_by_its_key(made):
    key = {"Authorization": f"Bearer {host_key('far')}", "X-Protocol": "2"}
    for case in chain.from_iterable(OF_API.values()):
        if case.rule == "host":
            status = status_of(made, Actor("host"), case, **key)
            # 403: a job that this host has not claimed.
            assert status < 500, case
            assert status not in (401, 405), case


def test_a_deactivated_account_is_a_stranger(made):
    made.people["admin"].is_active = False
    made.people["admin"].save()

    for name, status in (("job-list", 302), ("launch", 302), ("api-jobs", 401)):
        assert status_of(made, Actor("admin", "admin"), Case(name, "GET", "viewer")) == status
    assert status_of(made, Actor("", "admin", scope="admin"), Case("api-me", "GET", "")) == 401


def test_every_socket_has_a_rule():
    assert [str(pattern.pattern) for pattern in consumers.websocket_urlpatterns] == [*SOCKETS]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_is_open_to_those_of_its_rule_only(made, path):
    address = path.strip("^$") or "ws/nothing/"
    address = re.sub(r"\(\?P<kind>[^)]*\)", "job", address)
    address = re.sub(r"\(\?P<record_id>[^)]*\)", str(made.jobs["kept"]), address)
    for actor in SESSIONS:
        with in_role(made, actor):
            first = async_to_sync(_first_message)(f"/{address}", made.sessions.get(actor.person))
        if not actor.may(SOCKETS[path]):
            assert first == {"type": "websocket.close", "code": LOGGED_OUT}
        elif not path:
            assert first["code"] == consumers.NOT_FOUND
        else:
            assert first["type"] == "websocket.send"


@pytest.mark.django_db(transaction=True)
def test_a_socket_looks_at_no_token(made):
    first = async_to_sync(_first_message)("/ws/live/", None)

    assert first["code"] == LOGGED_OUT


async def _first_message(path, session):
    """Return the first message of an accepted socket. A token is sent, too."""
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost")]
    headers.append((b"authorization", b"Bearer admin admin"))
    headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session or ''}".encode()))
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": headers}
    scope |= {"client": ("127.0.0.1", 1), "subprotocols": [], "scheme": "ws"}
    socket = ApplicationCommunicator(application, scope)
    await socket.send_input({"type": "websocket.connect"})
    assert (await socket.receive_output(timeout=PATIENCE_S))["type"] == "websocket.accept"
    message = await socket.receive_output(timeout=PATIENCE_S)
    await socket.send_input({"type": "websocket.disconnect", "code": 1000})
    await socket.wait(timeout=PATIENCE_S)
    return {name: message[name] for name in ("type", "code") if name in message}


def test_every_stream_has_a_rule():
    assert {verb: method for verb, (method, _rule) in RELAY.items()} == RELAY_METHODS


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_open_to_those_of_its_rule_only(made):
    for verb, (right, rule) in RELAY.items():
        for actor, method in product(SESSIONS, METHODS):
            with in_role(made, actor):
                status = async_to_sync(_relayed)(made, actor, verb, method)
            wanted = (403,) if not actor.role else (404,)
            if method != right:
                wanted = (405,)
            elif actor.may(rule):
                wanted = (200, 204)
            assert status in wanted, (verb, actor.name, method)


async def _relayed(made, actor, verb, method):
    browser = Browser(client_of(made, actor), f"/relay/turns/{made.turn.pk}/{verb}", method=method)
    await browser.task
    return browser.status


def test_the_sessions_of_the_matrix_are_real(made):
    for name, key in made.sessions.items():
        assert SessionStore(key).load()["_auth_user_id"] == str(made.people[name].pk)
    assert json.loads(OF_API["api-job-move"][0].body) == {"to": "first"}


# Rights without a request.

# Open to strangers, each with its reason.
OPEN = {
    "login": "how one stops being a stranger",
    "logout": "changes nobody's session but one's own",
    "set_language": "the login page offers both languages",
    "jsi18n": "words of the pages' scripts, the login page's too",
}

# Pages for people below the API's address, beside its operations.
PAGES_OF_THE_API = {"api-root", "api-reference-file"}


def test_every_view_asks_for_a_right_or_is_open_for_a_reason():
    for route, pattern in every_pattern(get_resolver().url_patterns):
        if pattern.name in OPEN:
            continue
        if route.startswith("api/v1/host/"):
            assert pattern.callback.for_hosts, route
        elif route.startswith("api/v1/") and pattern.name not in PAGES_OF_THE_API:
            # Each operation of an address, and each way to authenticate.
            assert pattern.callback.rights_actions, route
            assert set(pattern.callback.rights_actions) <= set(ACTIONS), route
        else:
            assert pattern.callback.rights_action in ACTIONS, route


def test_every_socket_asks_for_a_right():
    for pattern in consumers.websocket_urlpatterns:
        consumer = pattern.callback.consumer_class
        # All of them ask in one place, which none replaces.
        assert issubclass(consumer, consumers.PageSocket)
        assert consumer._permitted is consumers.PageSocket._permitted
        assert consumer.subject is not consumers.PageSocket.subject
    assert consumers.allowed is allowed


def test_each_role_may_do_what_the_action_needs():
    admin, member = make_user(is_staff=True), make_user()
    theirs, own = SimpleNamespace(created_by_id=-1), SimpleNamespace(created_by_id=admin.pk)
    for action, need in ACTIONS.items():
        assert allowed(AnonymousUser(), action) == (need is Need.ANYONE), action
        assert allowed(member, action) == (need is not Need.ADMIN), action
        assert allowed(admin, action, theirs) == (need is not Need.SELF), action
        assert allowed(admin, action, own), action


@pytest.mark.parametrize(
    ("action", "of"),
    [
        ("job.cancel", lambda person: make_job(created_by=person)),
        ("job.unpin", lambda person: Pin(1, person and person.pk)),
    ],
)
def test_a_member_may_change_what_is_their_own_only(action, of):
    owner, other, admin = make_user(), make_user(), make_user(is_staff=True)
    theirs, of_nobody = of(owner), of(None)

    assert [allowed(user, action, theirs) for user in (owner, other, admin)] == [True, False, True]
    assert [allowed(user, action, of_nobody) for user in (owner, admin)] == [False, True]


def test_a_closed_account_may_do_nothing():
    assert not allowed(make_user(is_active=False, is_staff=True), "job.view")


def test_an_action_that_does_not_exist_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        requires("job.dance")
    with pytest.raises(KeyError):
        allowed(AnonymousUser(), "job.dance")
