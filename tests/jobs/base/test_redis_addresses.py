"""Addresses of Redis."""

import pytest
from redis.connection import parse_url

from jobs.base import valkey as addresses


@pytest.mark.parametrize(
    ("redis", "celery"),
    [
        ("unix:///run/v.sock?db=1", "redis+socket:///run/v.sock?virtual_host=1"),
        ("unix:///run/v.sock", "redis+socket:///run/v.sock?virtual_host=0"),
        ("unix://u:p@/run/v.sock?db=0", "redis+socket://u:p@/run/v.sock?virtual_host=0"),
        ("redis://10.0.0.5:6379/0", "redis://10.0.0.5:6379/0"),
    ],
)
def test_an_address_has_celerys_spelling(redis, celery):
    assert addresses.for_celery(redis) == celery


@pytest.mark.parametrize(
    "text",
    [
        *("redis://h", "redis://h:1/2", "rediss://u:p@h/0", "redis://[fd00::5]:6380/0"),
        "unix:///s?db=1",
    ],
)
def test_an_address_is_recognized(text):
    assert addresses.is_address(text)


@pytest.mark.parametrize(
    "text",
    ["", "h:6379", "amqp://h", "redis://", "redis://:6379", "redis://h:port", "redis://h:0",
     "redis://h:99999", "redis://[fd00::5", "unix://", "redis+socket:///s"],
)  # fmt: skip
def test_anything_else_is_no_address(text):
    assert not addresses.is_address(text)


@pytest.mark.parametrize("url", ["redis://:old@h:1/2", "unix:///run/v.sock?db=1", "rediss://h"])
def test_a_login_is_replaced_and_read_back(url):
    changed = addresses.with_login(url, "host-x", "p@ss/w:rd")

    assert addresses.login_of(changed) == ("host-x", "p@ss/w:rd")
    parsed = parse_url(changed)
    assert (parsed["username"], parsed["password"]) == ("host-x", "p@ss/w:rd")
    others = {"username", "password"}
    before = {name: value for name, value in parse_url(url).items() if name not in others}
    assert {name: value for name, value in parsed.items() if name not in others} == before


def test_addresses_are_built_for_a_socket_and_for_the_network():
    on_socket = addresses.on_socket("/run/v.sock", "pw")
    assert parse_url(on_socket)["path"] == "/run/v.sock"
    assert addresses.login_of(on_socket) == ("", "pw")
    assert addresses.on_network("fd00::5", 6380, "u:p") == "redis://u:p@[fd00::5]:6380/0"
    assert addresses.on_network("10.0.0.5", 6380, "u:p") == "redis://u:p@10.0.0.5:6380/0"


@pytest.mark.parametrize(
    ("url", "database", "socket", "host"),
    [
        ("unix:///run/v.sock?db=3", "3", "/run/v.sock", ""),
        ("unix:///run/v.sock", "0", "/run/v.sock", ""),
        ("redis://h:1/2", "2", "", "h"),
        ("redis://h", "0", "", "h"),
        ("redis://h?db=4", "4", "", "h"),
        ("", "0", "", ""),
    ],
)
def test_an_address_is_taken_apart(url, database, socket, host):
    assert addresses.database_of(url) == database
    assert addresses.socket_of(url) == socket
    assert addresses.hostname_of(url) == host


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://u:secret@h/0", "redis://…@h/0"),
        ("u:secret@h", "…@h"),
        ("redis://h/0", "redis://h/0"),
    ],
)
def test_an_address_is_shown_without_its_login(text, shown):
    assert addresses.without_login(text) == shown
