"""Limits of the guard, with an application that reads bodies and clients that send them."""

import asyncio

import pytest

from dashboard.server import front
from dashboard.server.front import Guard

CLIENT = "192.0.2.7"


class Client:
    """Sends ``pieces``; without ``ends``, more was announced that never comes."""

    def __init__(self, *pieces, path="/login/", ends=True, size=None, address=CLIENT):
        self.pieces, self.ends = [*pieces], ends
        declared = str(sum(map(len, pieces)) + (not ends) if size is None else size)
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "headers": [(b"content-length", declared.encode())],
            "client": (address, 1),
            "query_string": b"",
        }
        self.answers = []

    async def receive(self):
        if self.pieces:
            piece = self.pieces.pop(0)
            more = bool(self.pieces) or not self.ends
            return {"type": "http.request", "body": piece, "more_body": more}
        await asyncio.sleep(3600)

    async def send(self, message):
        self.answers.append(message)

    @property
    def status(self):
        return self.answers[0]["status"] if self.answers else None

    def start(self, guarded):
        return asyncio.create_task(guarded(self.scope, self.receive, self.send))


async def echo(scope, receive, send):
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def run(*clients, app=echo, until=lambda clients: all(each.status for each in clients)):
    async def scenario():
        guarded = Guard(app)
        tasks = [client.start(guarded) for client in clients]
        async with asyncio.timeout(60):
            while not until(clients):
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert not guarded._bodies and not guarded._running

    asyncio.run(scenario())
    return [client.status for client in clients]


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(front, "SLOW_S", 0.05)


def test_a_body_within_its_size_is_served():
    assert run(Client(b"x" * 16_000), Client(b"x" * 8000, b"x" * 8000), Client(b"")) == [200] * 3


def test_a_body_that_says_or_turns_out_to_be_too_large_is_refused():
    assert run(Client(b"x", path="/jobs/", size=10**17)) == [413]
    assert run(Client(*[b"x" * 9000] * 3, size=5)) == [413]


def test_a_body_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(front, "BODY_S", 0.05)

    assert run(Client(b"abc", ends=False)) == [408]


def test_the_oldest_slow_bodies_of_a_client_are_given_up(soon):
    slow = [Client(b"abc", ends=False) for _ in range(front.MOST_OF_A_CLIENT + 20)]
    other = Client(b"abc", ends=False, address="192.0.2.8")
    whole = Client(b"abc")

    statuses = run(
        *(other, *slow, whole),
        until=lambda clients: sum(map(bool, [c.status for c in clients])) > 20,
    )

    assert statuses == [None, *[408] * 20, *[None] * front.MOST_OF_A_CLIENT, 200]


@pytest.mark.parametrize(
    ("limit", "most", "size"), [("MOST_OF_ALL", 3, 3), ("MOST_BYTES", 35_000, 10_000)]
)
def test_bodies_of_all_clients_have_a_number_and_a_size(monkeypatch, limit, most, size):
    monkeypatch.setattr(front, limit, most)
    body = b"x" * size
    clients = [Client(body, ends=False, path="/jobs/", address=f"192.0.2.{n}") for n in range(5)]

    statuses = run(*clients, until=lambda clients: clients[1].status is not None)

    assert statuses == [408, 408, None, None, None]


def test_logins_of_one_client_run_a_few_at_once():
    async def waits(scope, receive, send):
        await receive()
        await asyncio.sleep(3600)

    clients = [Client(b"abc") for _ in range(10)]
    other = Client(b"abc", address="192.0.2.8")

    statuses = run(*clients, other, app=waits, until=lambda clients: clients[9].status is not None)

    assert statuses == [*[None] * 8, 429, 429, None]


def test_other_paths_run_in_any_number():
    assert run(*[Client(b"abc", path="/jobs/") for _ in range(50)]) == [200] * 50
