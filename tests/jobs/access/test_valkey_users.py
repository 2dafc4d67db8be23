"""Users of hosts in the embedded Valkey: rights, changes, restarts. Over a real Valkey."""

import contextlib
import re
import socket
import subprocess

import pytest
import redis
from django.db import transaction

from dashboard.config.host_env import host_file
from dashboard.server.valkey_gate import MOST_OF_ADDRESS
from jobs.access import valkey_users
from jobs.base.valkey import host_rules, on_network
from jobs.host.agent.worker import children
from jobs.host.base import config
from jobs.models import Host
from jobs.schedule import agent_tasks
from jobs.services import hosts
from tests.api import until
from tests.dashboard.lib.valkey_server import running_valkey
from tests.stack import ROOT, clean_environment, free_port
from tests.waiting import PATIENCE_S


@pytest.fixture(autouse=True)
def commits(request, monkeypatch):
    """Call at once what waits for the commit, unless the test commits; send hints at once."""
    monkeypatch.setattr(agent_tasks, "_paused_until", 0.0)
    if not request.node.get_closest_marker("django_db").kwargs.get("transaction"):
        monkeypatch.setattr(transaction, "on_commit", lambda change: change())


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A Valkey, a client of the dashboard, and the address for hosts."""
    folder, listen = tmp_path_factory.mktemp("valkey"), ("127.0.0.1", free_port())
    with running_valkey(folder, listen) as (valkey, _process, client):
        yield valkey, client, listen


@pytest.fixture
def valkey(running, use):
    """The Valkey, without users of hosts and without keys."""
    valkey, client, listen = running
    use(valkey, listen)
    client.flushall()
    valkey_users.sync()
    client.acl_log_reset()
    return client


@pytest.fixture
def use(settings):
    """Make a Valkey the dashboard's own."""

    def use(valkey, listen):
        settings.REDIS_URL, settings.VALKEY_USERS_FILE = valkey.url, valkey.users
        settings.HOST_REDIS_URL = on_network(*listen, "host-{host}:{password}")

    return use


def add(name):
    """Add a host; return it with the address in its file."""
    host, made = hosts.add(name)
    return host, url_of(host, made)


def url_of(host, made):
    lines = dict(line.split("=", 1) for line in host_file(host.name, made).split("\n") if line)
    return lines["REDIS_URL"]


@pytest.fixture
def client(valkey):
    """A client with the login of va16-01; another host has a queue too."""
    valkey.lpush("host.va16-02", "of another")
    valkey.lpush("host.va16-01", "its own")
    return redis.Redis.from_url(add("va16-01")[1])


def is_refused(url):
    try:
        redis.Redis.from_url(url).ping()
    except redis.AuthenticationError:
        return True
    return False


REFUSED = """
EVAL return(1) 0; EVAL_RO return(1) 0; EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0
SCRIPT LOAD return(1); FUNCTION LIST; FCALL f 0; KEYS *; SCAN 0; RANDOMKEY; DBSIZE; INFO; FLUSHALL
FLUSHDB; CONFIG GET *; CLIENT LIST; CLIENT KILL USER default; ACL LIST; ACL WHOAMI; MONITOR
OBJECT ENCODING host.va16-02; SHUTDOWN; SELECT 1; LPUSH host.va16-02 x; LRANGE host.va16-02 0 -1
LLEN host.va16-02; BRPOP host.va16-02 1; BRPOP host.va16-01 host.va16-02 1; DEL host.va16-02
RENAME host.va16-02 host.va16-01; LPUSH host.va16-01 x; DEL host.va16-01; APPEND host.va16-01 x
SET host.va16-01 x; BRPOP host.va16-01.more 1; SMEMBERS _kombu.binding.host.va16-01
HGETALL unacked; LPUSH dashboard {}; GET cache:login-attempts; PUBLISH vacc:x:notifications {}
PUBLISH /0.celery.pidbox shutdown; SUBSCRIBE vacc:x:notifications; PSUBSCRIBE *
"""


@pytest.mark.django_db(transaction=True)
def test_a_login_works_once_its_transaction_is_committed(valkey):
    with transaction.atomic():
        _host, url = add("va16-01")
        assert is_refused(url)

    assert not is_refused(url)


def test_a_host_does_nothing_but_read_its_own_queue(client, valkey):
    for command in re.split(r"[;\n]\s*", REFUSED.strip()):
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command.split())
            pytest.fail(f"{command} is permitted")

    assert client.brpop("host.va16-01", 1) == (b"host.va16-01", b"its own")
    assert valkey.lrange("host.va16-02", 0, -1) == [b"of another"]


def test_commands_queued_in_a_transaction_are_refused_too(client):
    client.execute_command("MULTI")
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.execute_command("GET", "cache:x")
    with pytest.raises(redis.exceptions.ExecAbortError):
        client.execute_command("EXEC")


def test_a_wrong_login_and_none_are_refused(client, running):
    address, port = running[2]
    logins = ("", ":wrong@", "host@", "host:x@", "host-va16-01@", "default:x@")

    for login in (*logins, "host-va16-01:wrong@", "host-va16-02:wrong@"):
        with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
            redis.Redis.from_url(f"redis://{login}{address}:{port}/0").ping()
            pytest.fail(f"{login} may log in")


def test_a_host_cannot_log_in_as_another(valkey):
    _host, url = add("va16-01")
    add("va16-02")

    assert not is_refused(url)
    assert is_refused(url.replace("host-va16-01", "host-va16-02"))
    assert is_refused(url.replace("host-va16-01", "default"))


@contextlib.contextmanager
def worker(url, folder):
    """The Celery worker of va16-01, with the login of ``url``."""
    variables = {
        "HOST_NAME": "va16-01",
        "HOST_KEY": "key",
        "DASHBOARD_URL": "http://127.0.0.1:1",
        "REDIS_URL": url,
        "HOST_DIR": str(folder),
    }
    _agent, celery = children(config.load(variables))
    process = subprocess.Popen(
        celery.argv, cwd=ROOT, env=clean_environment() | celery.env, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_hosts_worker_takes_its_commands_with_these_rights(valkey, tmp_path):
    _host, url = add("va16-01")
    with worker(url, tmp_path) as process:
        agent_tasks.send("va16-01", "check", 1)
        agent_tasks.send("va16-02", "check", 1)

        until((tmp_path / "wakeup").exists, "the worker did its task")
        until(lambda: not valkey.exists("host.va16-01"), "its queue is empty")

    assert process.stderr.read() == b""
    assert valkey.acl_log() == []
    assert valkey.keys() == [b"host.va16-02"]


def test_a_revoked_worker_is_closed_out_and_one_with_a_new_key_works(valkey, tmp_path):
    host, url = add("va16-01")
    with worker(url, tmp_path / "old"):
        until(lambda: users(valkey) == {"default", "host-va16-01"}, "the worker is connected")

        made = hosts.new_key(host.pk)

        until(lambda: users(valkey) == {"default"}, "its connections are closed")
        agent_tasks.send("va16-01", "check", 1)
        with worker(url_of(host, made), tmp_path / "new"):
            until((tmp_path / "new" / "wakeup").exists, "the new worker did the task")
    assert not (tmp_path / "old" / "wakeup").exists()


def users(valkey):
    return {client["user"] for client in valkey.client_list()}


# Changes of a key.


@pytest.mark.parametrize("change", ["new", "revoke"])
def test_a_changed_key_closes_the_connection_and_the_login(valkey, change):
    host, url = add("va16-01")
    _other, other_url = add("va16-02")
    client = redis.Redis.from_url(url, retry=None, single_connection_client=True)
    other = redis.Redis.from_url(other_url, retry=None, single_connection_client=True)
    assert client.ping() and other.ping()

    new = hosts.new_key(host.pk) if change == "new" else hosts.revoke_key(host.pk)

    with pytest.raises(redis.ConnectionError):
        client.ping()
    assert other.ping()
    assert is_refused(url)
    if change == "new":
        assert not is_refused(url_of(host, new))
    else:
        assert "host-va16-01" not in valkey.acl_users()


def test_only_hashes_are_stored(valkey, running):
    host, made = hosts.add("va16-01")

    row = Host.objects.filter(pk=host.pk).values().get()
    assert made.valkey_password not in str(row)
    assert made.valkey_password not in running[0].users.read_text()
    assert row["valkey_sha256"] in running[0].users.read_text()


def test_after_a_restart_the_users_are_the_same(tmp_path, use):
    listen = ("127.0.0.1", free_port())
    with running_valkey(tmp_path, listen) as (valkey, process, dashboard):
        use(valkey, listen)
        _host, url = add("va16-01")
        revoked, revoked_url = add("va16-02")
        hosts.revoke_key(revoked.pk)
        process.kill()
        process.wait()

        again = subprocess.Popen(valkey.argv(), stdout=subprocess.DEVNULL)
        try:
            until(lambda: answers(dashboard), "Valkey is back")
            assert not is_refused(url)
            assert is_refused(revoked_url)
        finally:
            again.kill()
            again.wait()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def test_a_change_while_valkey_was_away_arrives_with_the_next_round(valkey, running, settings):
    server, _client, _listen = running
    host, url = add("va16-01")
    settings.REDIS_URL = server.url.replace("valkey.sock", "valkey.log")

    hosts.revoke_key(host.pk)

    assert "host-va16-01" not in server.users.read_text()
    assert not is_refused(url)
    settings.REDIS_URL = server.url
    valkey_users.sync()
    assert is_refused(url)


def test_an_error_of_valkey_breaks_no_change(valkey, running, settings, caplog, tmp_path):
    host, _url = add("va16-01")
    (tmp_path / "no.sock").touch()
    settings.REDIS_URL = f"unix://:x@{tmp_path}/no.sock?db=0"

    assert hosts.revoke_key(host.pk)

    assert "users of Valkey are not up to date" in caplog.text


def test_users_that_are_right_are_left_alone(valkey):
    add("va16-01")
    valkey.config_resetstat()

    valkey_users.sync()

    assert "cmdstat_acl|load" not in valkey.info("commandstats")


# Hosts without a user of their own.


def test_a_host_set_up_before_has_no_user_until_its_key_is_new(valkey, running):
    hosts.add("va16-01")
    Host.objects.update(valkey_sha256="")
    host = Host.objects.get()
    assert valkey_users.lacks_user(host)
    valkey_users.sync()
    assert valkey.acl_users() == ["default"]

    made = hosts.new_key(host.pk)

    assert not is_refused(url_of(host, made))
    assert not valkey_users.lacks_user(Host.objects.get())


def test_another_redis_is_not_touched_and_its_command_works_there(valkey, settings):
    settings.VALKEY_USERS_FILE = None
    host, url = add("va16-01")
    assert valkey.acl_users() == ["default"]

    valkey.execute_command(*valkey_users.command_for(host).split())

    assert redis.Redis.from_url(url).brpop("host.va16-01", 0.01) is None
    valkey.execute_command(*valkey_users.command_without(host).split())
    assert is_refused(url)


def test_the_command_for_another_database_lets_the_worker_select_it(settings):
    settings.VALKEY_USERS_FILE = None
    settings.HOST_REDIS_URL = "redis://host-{host}:{password}@cache.lan:6379/2"

    host, _made = hosts.add("va16-01")

    assert valkey_users.command_for(host).endswith(" +select")


@pytest.mark.parametrize("url", ["", "redis://hosts:fixed@cache.lan:6379/0"])
def test_without_a_password_of_each_host_no_user_is_needed(settings, url):
    settings.VALKEY_USERS_FILE, settings.HOST_REDIS_URL = None, url

    host, made = hosts.add("va16-01")

    assert url_of(host, made) == (url or "''")
    assert valkey_users.command_for(host) == valkey_users.command_without(host) == ""
    assert not valkey_users.lacks_user(host)


@pytest.mark.parametrize("page", ["hosts.md", "hosts.zh.md"])
def test_the_docs_have_the_command_for_another_redis(page):
    text = (ROOT / "docs" / "run" / page).read_text()

    assert f"\nACL SETUSER {host_rules('va16-01', 'SHA256')}\n" in text


# Memory.


def test_a_host_fills_no_memory_with_its_connections(valkey, running):
    _host, url = add("va16-01")
    limit = running[0].memory_bytes
    greedy = []
    for _number in range(40):
        connection = redis.Redis.from_url(url).connection_pool.get_connection()
        # One argument of the greatest length, never finished.
        with contextlib.suppress(redis.ConnectionError, OSError):
            connection._sock.sendall(b"*2\r\n$4\r\nLLEN\r\n$1048576\r\n" + b"x" * 1_000_000)
        greedy.append(connection)

    assert valkey.set("of-the-dashboard", b"x" * 1_000_000)
    assert valkey.info("memory")["used_memory"] < limit
    assert valkey.info("stats")["evicted_clients"] > 0


def test_a_longer_argument_than_any_command_closes_the_connection(valkey):
    _host, url = add("va16-01")
    connection = redis.Redis.from_url(url).connection_pool.get_connection()

    connection._sock.sendall(b"*2\r\n$4\r\nLLEN\r\n$1048577\r\n")

    assert b"invalid bulk length" in connection._sock.recv(1000)
    assert connection._sock.recv(1000) == b""


# Connections.


def test_one_address_leaves_connections_to_the_dashboard_and_to_others(running):
    valkey, _client, (address, port) = running
    held = []
    try:
        while (one := entered(address, port)) is not None:
            held.append(one)

        assert 0 < len(held) <= MOST_OF_ADDRESS
        assert redis.Redis.from_url(valkey.url).ping()
        held.append(entered(address, port, source="127.0.0.2"))
        assert held[-1] is not None
    finally:
        for one in held:
            one.close()
    until(lambda: entered(address, port), "the places are free")


def entered(address, port, source="127.0.0.1"):
    """A connection that Valkey answers; None if it was closed instead."""
    one = socket.create_connection((address, port), source_address=(source, 0))
    with contextlib.suppress(ConnectionError):
        one.sendall(b"PING\r\n")
        if one.recv(100).startswith(b"-NOAUTH"):
            return one
    one.close()
    return None


def test_a_worker_comes_back_when_the_connection_breaks(valkey, tmp_path):
    _host, url = add("va16-01")
    with worker(url, tmp_path):
        until(lambda: users(valkey) == {"default", "host-va16-01"}, "the worker is connected")
        valkey.execute_command("CLIENT", "KILL", "USER", "host-va16-01")

        agent_tasks.send("va16-01", "check", 1)

        until((tmp_path / "wakeup").exists, "the worker did its task")
