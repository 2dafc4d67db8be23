"""Which headers of which proxies settle client, scheme and host of a request."""

import asyncio
import logging

import pytest

from dashboard.config.env import read_networks
from dashboard.server.front import EVERYONES, Proxies

PROXY, STRANGER = "10.0.0.5", "192.0.2.7"


def settled(headers=(), *, peer=PROXY, trusted="10.0.0.0/24, fd00::5", public="", kind="http"):
    """The scope that the application behind gets."""
    seen = []

    async def app(scope, receive, send):
        seen.append(scope)

    scope = {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "client": (peer, 1234) if peer else None,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    asyncio.run(Proxies(app, read_networks(trusted), public)(scope, None, None))
    return seen[0]


def client_of(*forwarded, **options):
    return settled([("x-forwarded-for", text) for text in forwarded], **options)["client"][0]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (["192.0.2.9"], "192.0.2.9"),
        (["192.0.2.9:4711"], "192.0.2.9"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["::ffff:192.0.2.9"], "192.0.2.9"),
        (["6.6.6.6, 192.0.2.9"], "192.0.2.9"),  # the proxy added what it saw
        (["6.6.6.6", "192.0.2.9"], "192.0.2.9"),
        (["192.0.2.9, 10.0.0.6"], "192.0.2.9"),  # a second proxy
        (["10.0.0.7, 10.0.0.6"], "10.0.0.7"),
        (["unknown"], PROXY),
        (["192.0.2.9, unknown"], PROXY),
        (["unknown, 10.0.0.6"], "10.0.0.6"),
        ([""], PROXY),
        ([], PROXY),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(forwarded, client):
    assert client_of(*forwarded) == client


@pytest.mark.parametrize("trusted", ["", "10.0.1.0/24", "10.0.0.6"])
def test_nobody_is_believed_who_is_not_named(trusted):
    headers = [
        ("x-forwarded-for", "6.6.6.6"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "for=6.6.6.6"),
        ("host", "bench.lan"),
    ]

    scope = settled(headers, trusted=trusted)

    assert (scope["client"][0], scope["scheme"]) == (PROXY, "http")
    assert scope["headers"] == [(b"host", b"bench.lan")]


def test_a_proxy_of_ipv4_is_known_on_a_socket_of_ipv6():
    assert client_of("192.0.2.9", peer="::ffff:10.0.0.5") == "192.0.2.9"
    assert client_of("192.0.2.9", peer="fd00::5") == "192.0.2.9"
    assert client_of("192.0.2.9", peer="fd00::6") == "fd00::6"


@pytest.mark.parametrize(
    ("kind", "said", "scheme"),
    [
        ("http", "https", "https"),
        ("http", "http", "http"),
        ("http", "http, https", "https"),
        ("http", "gopher", "http"),
        ("websocket", "https", "wss"),
        ("websocket", "http", "ws"),
    ],
)
def test_a_proxy_says_the_scheme(kind, said, scheme):
    assert settled([("x-forwarded-proto", said)], kind=kind)["scheme"] == scheme


def test_a_proxy_says_the_host():
    headers = [("host", "127.0.0.1:8000"), ("x-forwarded-host", "bench.lan:8443")]

    assert settled(headers)["headers"] == [(b"host", b"bench.lan:8443")]


@pytest.mark.parametrize(
    ("host", "public", "scheme"),
    [
        ("bench.lan", "https://bench.lan", "https"),
        ("BENCH.lan", "https://bench.lan", "https"),
        ("bench.lan:443", "https://bench.lan", "https"),
        ("bench.lan", "https://bench.lan:8443", "https"),
        ("bench.lan:8443", "https://bench.lan:8443/vacc", "https"),
        ("bench.lan:8000", "https://bench.lan", "http"),
        ("127.0.0.1:8000", "https://bench.lan", "http"),
        ("bench.lan", "http://bench.lan", "http"),
        ("bench.lan:x", "https://bench.lan", "http"),
        ("", "https://bench.lan", "http"),
    ],
)
def test_the_public_name_of_https_is_https(host, public, scheme):
    assert settled([("host", host)], public=public, trusted="")["scheme"] == scheme


def test_a_trusted_proxy_without_tls_is_believed():
    headers = [("host", "bench.lan"), ("x-forwarded-proto", "http")]

    assert settled(headers, public="https://bench.lan")["scheme"] == "http"


def test_a_proxy_that_is_not_named_is_reported_once(caplog):
    async def app(scope, receive, send):
        pass

    proxies = Proxies(app, (), "")
    scope = {"type": "http", "scheme": "http", "client": (STRANGER, 1)}
    scope["headers"] = [(b"x-forwarded-for", b"6.6.6.6")]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            asyncio.run(proxies(scope, None, None))

    assert len(caplog.records) == 1
    assert "TRUSTED_PROXIES" in caplog.text and STRANGER in caplog.text


@pytest.mark.parametrize(("trusted", "is_marked"), [("", True), ("10.0.1.0/24", False)])
def test_headers_that_no_proxy_may_send_mark_an_address_of_everyone(trusted, is_marked):
    assert (EVERYONES in settled([("x-forwarded-for", "6.6.6.6")], trusted=trusted)) == is_marked
    assert EVERYONES not in settled(trusted=trusted)


def test_a_connection_without_an_address_is_served():
    assert settled([("x-forwarded-for", "6.6.6.6")], peer=None)["client"] is None
