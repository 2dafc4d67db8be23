"""The embedded Valkey on the network: logins and their permissions."""

from __future__ import annotations

import stat
import subprocess
import sys
from contextlib import contextmanager

import pytest
import redis
from celery import Celery

from dashboard.config import env
from dashboard.config.env import BadVariable
from dashboard.server.valkey import prepare
from jobs.agent_tasks import broker_url
from jobs.host.agent.worker import children
from jobs.host.base import config
from tests.api import until
from tests.stack import ROOT, clean_environment, free_port, running

ON_TCP = "redis://{login}127.0.0.1:{port}/0"


@contextmanager
def valkey(folder, listen=None):
    """A server that answers on its socket."""
    folder.mkdir(exist_ok=True)
    server = prepare(folder, "", listen)
    process = subprocess.Popen(server.argv(), stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis.from_url(server.url)
        until(lambda: answers(client), "Valkey answers")
        yield server
    finally:
        process.kill()
        process.wait()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.fixture(scope="module")
def listening(tmp_path_factory):
    """A server that listens on the network too."""
    folder = tmp_path_factory.mktemp("valkey")
    with valkey(folder, ("127.0.0.1", free_port())) as server:
        yield server


@pytest.fixture
def host(listening):
    """A client with the address that a host gets."""
    return redis.Redis.from_url(host_url(listening))


def host_url(server):
    """Return the address that "Add a host" prints."""
    listen = f"127.0.0.1:{server.listen[1]}"
    variables = {"DATA_DIR": str(server.data.parent), "VALKEY_LISTEN": listen}
    return env.host_redis_url(env.load(variables))


def test_a_host_logs_in_with_the_printed_address(host):
    assert host.ping() is True


@pytest.mark.parametrize("login", ["", ":wrong@", "host:wrong@", "host@", "default:wrong@", ":@"])
def test_a_wrong_password_and_none_are_refused(listening, login):
    url = ON_TCP.format(login=login, port=listening.listen[1])

    with pytest.raises((redis.AuthenticationError, redis.ResponseError)):
        redis.Redis.from_url(url).ping()


def test_the_password_of_hosts_is_not_the_dashboards(listening):
    secrets = listening.data.parent / "secrets"
    password = (secrets / env.VALKEY_HOST_PASSWORD).read_text()
    url = ON_TCP.format(login=f":{password}@", port=listening.listen[1])

    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(url).ping()
    assert password != (secrets / env.VALKEY_PASSWORD).read_text()


def test_the_socket_still_works_in_both_spellings(listening):
    assert redis.Redis.from_url(listening.url).ping()
    with Celery(broker=broker_url(listening.url)).connection() as connection:
        connection.ensure_connection(max_retries=1)


def test_passwords_are_in_private_files_and_in_no_command(listening):
    secrets = listening.data.parent / "secrets"

    for path in (secrets / env.VALKEY_PASSWORD, secrets / env.VALKEY_HOST_PASSWORD):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() not in " ".join(listening.argv())
        assert path.read_text() not in listening.users.read_text()
    assert stat.S_IMODE(listening.users.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "command",
    [
        "GET cache:login-attempts",
        "LPUSH dashboard {}",
        "PUBLISH vacc:x:notifications {}",
        "PUBLISH /0.celery.pidbox shutdown",
        "SUBSCRIBE vacc:x:notifications",
        "FLUSHALL",
        "CONFIG GET *",
        "ACL LIST",
        "KEYS *",
        "MONITOR",
        "SHUTDOWN",
    ],
)
def test_a_host_sees_and_does_nothing_that_is_the_dashboards(host, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        host.execute_command(*command.split())


def test_a_hosts_worker_takes_its_hints_with_that(listening, tmp_path):
    dashboard = redis.Redis.from_url(listening.url)
    dashboard.acl_log_reset()
    variables = {
        "HOST_NAME": "va16-01",
        "HOST_KEY": "key",
        "DASHBOARD_URL": "http://127.0.0.1:1",
        "REDIS_URL": host_url(listening),
        "HOST_DIR": str(tmp_path),
    }
    _agent, celery = children(config.load(variables))
    worker = subprocess.Popen(
        celery.argv, cwd=ROOT, env=clean_environment() | celery.env, stderr=subprocess.DEVNULL
    )
    try:
        Celery(broker=broker_url(listening.url)).send_task(
            "host.check", args=(1,), queue="host.va16-01"
        )

        until((tmp_path / "wakeup").exists, "the worker did its task")
        assert dashboard.acl_log() == []
    finally:
        worker.terminate()
        worker.wait()


def test_valkey_listens_nowhere_without_a_setting(tmp_path):
    with valkey(tmp_path / "data") as server:
        assert "@" not in server.url
        assert redis.Redis.from_url(server.url).config_get("port") == {"port": "0"}
        assert not (tmp_path / "data/secrets").exists()


# Settings.


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("10.0.0.5:6380", ("10.0.0.5", 6380)),
        ("[fd00::5]:6380", ("fd00::5", 6380)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
    ],
)
def test_it_is_an_address_and_a_port(text, listen):
    assert env.load({"VALKEY_LISTEN": text}).valkey_listen == listen


@pytest.mark.parametrize(
    "text",
    ["6380", ":6380", "10.0.0.5", "10.0.0.5:0", "10.0.0.5:99999", "gpu7:6380", "fd00::5:6380",
     "redis://10.0.0.5:6380", "10.0.0.5:6380/0", "a@10.0.0.5:1"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(BadVariable, match=r"^VALKEY_LISTEN=.* will not do; allowed: an IP address"):
        env.load({"VALKEY_LISTEN": text})


def test_hosts_get_the_public_name_of_a_listening_dashboard(tmp_path):
    variables = {"DATA_DIR": str(tmp_path), "VALKEY_LISTEN": "0.0.0.0:6380"}

    with pytest.raises(BadVariable, match="set PUBLIC_URL"):
        env.load(variables)
    address = env.host_redis_url(env.load({**variables, "PUBLIC_URL": "http://gpu7:8000"}))

    assert address.startswith("redis://host:")
    assert address.endswith("@gpu7:6380/0")


def test_hosts_get_the_address_of_another_redis_unchanged():
    url = "redis://:pw@cache.lan:6379/1"

    assert env.host_redis_url(env.load({"REDIS_URL": url})) == url


# The whole stack.


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environ", "error"),
    [
        (
            {"REDIS_URL": "redis://10.0.0.9/0", "VALKEY_LISTEN": "127.0.0.1:6380"},
            "VALKEY_LISTEN needs the embedded Valkey, but REDIS_URL is set. ",
        ),
        ({"VALKEY_LISTEN": "192.0.2.1:6380"}, "Cannot listen on VALKEY_LISTEN=192.0.2.1:6380: "),
    ],
)
def test_a_start_that_cannot_be_says_why(tmp_path, environ, error):
    settings = {"DATA_DIR": str(tmp_path), "PORT": str(free_port()), **environ}
    done = subprocess.run(
        [sys.executable, "-m", "dashboard.server.supervisor"],
        cwd=ROOT,
        env=clean_environment() | settings,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert done.stderr.strip().startswith(error)


@pytest.mark.processes
def test_a_listening_dashboard_is_well_and_prints_the_password(tmp_path):
    port = free_port()
    with running(tmp_path / "data", environ={"VALKEY_LISTEN": f"127.0.0.1:{port}"}) as stack:
        assert stack.health() == (200, {"status": "ok"})
        output = stack.manage("add_host", "va16-01").stdout.decode()
        lines = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)

        assert redis.Redis.from_url(lines["REDIS_URL"]).ping()
        assert lines["REDIS_URL"].split("@")[1] == f"127.0.0.1:{port}/0"
