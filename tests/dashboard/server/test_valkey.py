"""The embedded Valkey, its users, and the gate of hosts."""

import asyncio
import stat
import urllib.request
from types import SimpleNamespace

import pytest
import redis
from celery import Celery

from dashboard.config import env
from dashboard.config.env import BadVariable
from dashboard.security import login_throttle
from dashboard.server import health, valkey_gate
from dashboard.server.supervisor import SHARE_OF_CLIENTS
from dashboard.server.valkey_gate import Gate
from jobs.base.valkey import for_celery
from jobs.host.base.config import read_env_file
from jobs.schedule import agent_tasks
from tests.api import Api, until
from tests.dashboard.lib.valkey_server import MEMORY, running_valkey


@pytest.fixture(scope="module")
def valkey(tmp_path_factory):
    """A Valkey that listens nowhere."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as (valkey, _process, _client):
        yield valkey


@pytest.fixture
def client(valkey, settings):
    """A client of the dashboard, which goes by this Valkey; all that is in it is new."""
    settings.REDIS_URL, settings.VALKEY_USERS_FILE = valkey.url, valkey.users
    client = redis.Redis.from_url(valkey.url)
    empty(client)
    return client


def fill(client):
    """Write until Valkey takes no more. Buffers that end later make no room again."""
    with pytest.raises(redis.OutOfMemoryError):
        for number in range(1000):
            client.set(f"filler:{number}", b"x" * 500_000)
    client.config_set("maxmemory", MEMORY - 2_000_000)


def empty(client):
    client.config_set("maxmemory", MEMORY)
    client.execute_command("FLUSHALL", "SYNC")


def test_it_asks_the_dashboard_for_a_password_and_listens_nowhere(valkey):
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(unix_socket_path=str(valkey.socket)).ping()
    client = redis.Redis.from_url(valkey.url)
    assert client.config_get("port") == {"port": "0"}


def test_the_socket_works_in_both_spellings(valkey):
    assert redis.Redis.from_url(valkey.url).ping()
    with Celery(broker=for_celery(valkey.url)).connection() as connection:
        connection.ensure_connection(max_retries=1)


def test_the_password_is_in_no_command_and_no_file(valkey):
    assert valkey.password not in " ".join(valkey.argv())
    for path in valkey.data.parent.rglob("*"):
        assert not path.is_file() or valkey.password.encode() not in path.read_bytes()
    assert stat.S_IMODE(valkey.users.stat().st_mode) == 0o600


# Memory.


def test_memory_has_a_limit_of_which_connections_get_a_share(client):
    limits = client.config_get("maxmemory*")

    assert limits["maxmemory"] == str(MEMORY)
    assert limits["maxmemory-clients"] == str(round(MEMORY * SHARE_OF_CLIENTS))
    assert limits["maxmemory-policy"] == "noeviction"


def test_full_memory_is_unhealthy_and_a_command_to_a_host_is_left_out(client, monkeypatch, caplog):
    monkeypatch.setattr(agent_tasks, "_paused_until", 0.0)
    assert health.broker()["ok"]

    fill(client)
    part = health.broker()
    agent_tasks.send("va16-01", "start", 1)

    assert not part["ok"]
    assert part["error"].startswith("memory is full: ")
    assert "Raise VALKEY_MEMORY" in part["error"]
    assert "start 1 not sent to va16-01" in caplog.text
    assert client.llen("host.va16-01") == 0


def test_with_full_memory_failed_logins_count_in_the_process(client, settings, valkey):
    cache = {**settings.CACHES["without_redis"], "LOCATION": valkey.url}
    cache["BACKEND"] = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {**settings.CACHES, "default": {**cache, "OPTIONS": {}}}
    fill(client)

    waits = [login_throttle.seconds_to_wait("lin", "10.0.0.7") for _ in range(7)]

    assert waits[:5] == [0] * 5
    assert waits[6] > 0
    assert client.keys("*login*") == []


def test_the_queue_of_a_host_that_takes_nothing_has_a_limit(client, monkeypatch):
    monkeypatch.setattr(agent_tasks, "_paused_until", 0.0)
    monkeypatch.setattr(agent_tasks, "QUEUE_MAX", 3)

    for number in range(6):
        agent_tasks.send("va16-01", "start", number)

    assert client.llen("host.va16-01") == 3
    assert client.keys() == [b"host.va16-01"]


# Settings.


def test_it_listens_at_an_address_and_a_port_with_memory_of_a_size():
    for text, listen in (
        ("10.0.0.5:1", ("10.0.0.5", 1)),
        ("[fd00::5]:6380", ("fd00::5", 6380)),
    ):
        assert env.load({"VALKEY_LISTEN": text}).valkey_listen == listen
    for text, size in (("32M", 32_000_000), ("", 256_000_000)):
        assert env.load({"VALKEY_MEMORY": text}).valkey_memory_bytes == size


WRONG = {
    "VALKEY_LISTEN=an IP address": (
        *("6380", ":6380", "10.0.0.5", "10.0.0.5:0", "10.0.0.5:99999", "gpu7:6380"),
        *("fd00::5:6380", "redis://10.0.0.5:6380", "10.0.0.5:6380/0", "a@10.0.0.5:1"),
    ),
    "VALKEY_MEMORY=a size": ("31M", "31999999", "lots", "-1G"),
    "HOST_REDIS_URL=an address with": (
        *("cache.lan:6379", "http://cache.lan", "redis://", "redis://{user}:{password}@x/0"),
        *("redis://host-{host}:{password}@{host}/0", "redis://hosts:{password}@cache.lan/0"),
        *("redis://{host}:{password}@cache.lan/0", "redis://host-{host}:{password}@cache.lan/{db}"),
        "unix://host-{host}:{password}@{host}",
    ),
}


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule in WRONG for text in WRONG[rule]])
def test_anything_else_is_refused_with_what_is_allowed(rule, text):
    name, _, allowed = rule.partition("=")
    with pytest.raises(BadVariable, match=rf"^{name}=.* will not do; allowed: {allowed}"):
        env.load({name: text})


def test_hosts_get_the_public_name_of_a_listening_dashboard(tmp_path):
    variables = {"DATA_DIR": str(tmp_path), "VALKEY_LISTEN": "0.0.0.0:6380"}

    with pytest.raises(BadVariable, match="set PUBLIC_URL"):
        env.load(variables)
    address = env.host_redis_url(env.load({**variables, "PUBLIC_URL": "http://gpu7:8000"}))

    assert address == "redis://host-{host}:{password}@gpu7:6380/0"


def test_hosts_get_no_login_of_another_redis():
    variables = {"REDIS_URL": "redis://:pw@cache.lan:6379/1"}
    for_hosts = "rediss://host-{host}:{password}@cache.lan:6379/1"

    assert env.host_redis_url(env.load(variables)) == ""
    named = env.load({**variables, "HOST_REDIS_URL": for_hosts})
    assert env.host_redis_url(named) == for_hosts


# The whole stack.


@pytest.fixture
def dashboard_valkey(long_stack):
    code = "from django.conf import settings; print(settings.REDIS_URL)"
    return redis.Redis.from_url(long_stack.shell(code).strip())


@pytest.mark.processes
def test_a_host_added_in_a_second_terminal_has_a_user_at_once(long_stack, tmp_path):
    file = tmp_path / "host.env"
    file.write_bytes(long_stack.manage("add_host", "va16-01").stdout)

    url = read_env_file(file)["REDIS_URL"]
    assert url.startswith("redis://host-va16-01:")
    assert url.endswith(f"@{long_stack.environ['VALKEY_LISTEN']}/0")
    with redis.Redis.from_url(url) as host:
        assert host.ping()


@pytest.mark.processes
def test_this_computer_has_a_user_of_its_own_too(long_stack, dashboard_valkey):
    url = read_env_file(long_stack.data_dir / "host" / "host.env")["REDIS_URL"]

    assert url.startswith("unix://host-this-computer:")
    with (
        redis.Redis.from_url(url) as host,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        host.get("x")

    def users():
        return {client["user"] for client in dashboard_valkey.client_list()}

    # A connection that another test closed may be there for a moment.
    until(lambda: users() == {"default", "host-this-computer"}, "no other user is there")


@pytest.mark.processes
def test_with_full_memory_pages_answer_and_a_job_starts(long_stack, dashboard_valkey):
    api = Api(long_stack)
    fill(dashboard_valkey)

    number = api.launch("prepare", what="environment")

    until(lambda: (api.spool(number) / "events.jsonl").exists(), "the job starts by the poll")
    api.ask(f"jobs/{number}/cancel", {})
    with urllib.request.urlopen(f"{long_stack.url}/login/") as page:
        assert page.status == 200
    status, parts = long_stack.health()
    assert status == 503
    assert parts == {"status": "not ok"}
    empty(dashboard_valkey)
    until(lambda: long_stack.health()[0] == 200, "the dashboard is well again")


class Writer:
    def __init__(self, address):
        self.ends = []
        self.transport = SimpleNamespace(abort=lambda: self.ends.append("abort"))
        self._address = address

    def get_extra_info(self, _name):
        return self._address, 1234

    def close(self):
        self.ends.append("close")


async def entered(gate, address):
    """A connection that stays open and says nothing."""
    writer = Writer(address)
    task = asyncio.create_task(gate.enter(asyncio.StreamReader(), writer))
    await asyncio.sleep(0)
    return writer, task


@pytest.mark.parametrize(
    ("addresses", "refused"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], [False, True, False]),
        (["::ffff:192.0.2.1", "::ffff:192.0.2.2", "::ffff:192.0.2.1"], [False, False, True]),
        (["192.0.2.1", "192.0.2.2", "192.0.2.1"], [False, False, True]),
        (["fe80::1%2", "fe80::2%2"], [False, True]),
    ],
)
def test_a_network_of_ipv6_is_one_address(monkeypatch, tmp_path, addresses, refused):
    monkeypatch.setattr(valkey_gate, "MOST_OF_ADDRESS", 1)

    async def scenario():
        gate = Gate(str(tmp_path / "none"), 10)
        come = [await entered(gate, address) for address in addresses]
        found = [task.done() for _writer, task in come]
        for _writer, task in come:
            task.cancel()
        return found

    assert asyncio.run(scenario()) == refused


def test_a_connection_that_says_nothing_is_closed_and_leaves_its_place(monkeypatch, tmp_path):
    monkeypatch.setattr(valkey_gate, "FIRST_S", 0.02)
    monkeypatch.setattr(valkey_gate, "MOST_OF_ADDRESS", 1)

    async def scenario():
        gate = Gate(str(tmp_path / "none"), 1)
        first, task = await entered(gate, "192.0.2.1")
        await task
        _second, later = await entered(gate, "192.0.2.1")
        is_let_in = not later.done()
        later.cancel()
        return first.ends, is_let_in

    assert asyncio.run(scenario()) == (["abort"], True)
