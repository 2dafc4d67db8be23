"""HTTP between a host and its dashboard: requests, trust, valid answers."""

import gzip
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from requests import adapters

from jobs.host.base import client as clients
from jobs.host.base.client import Chunk, Client, Unreachable
from jobs.host.base.spool import JOB, Meta
from tests.host.intake import KEY
from tests.waiting import until

TLS = Path(__file__).parents[2] / "data" / "tls"
META = Meta(JOB, 7, "i-1", "t-1", 1, "http://127.0.0.1:1")
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client_of(config):
    """A client of a dashboard at another address."""
    return lambda url: Client(replace(config, dashboard_url=url))


@pytest.fixture
def client(site, client_of):
    return client_of(f"{site.url}")


def test_a_chunk_goes_with_its_headers_and_no_others(site, client):
    site.says = 200, JSON, b'{"size": 3, "instance": "i-1"}'

    answer = client.send(META, "log", 12, Chunk(b"abc"))

    method, path, headers, body = site.asked[0]
    assert (answer.status, answer.body) == (200, {"size": 3, "instance": "i-1"})
    assert (method, path) == ("POST", "/api/v1/host/jobs/7/streams/log?offset=12")
    assert {name.lower(): value for name, value in headers.items() if name != "User-Agent"} == {
        "accept-encoding": "identity",
        "authorization": f"Bearer {KEY}",
        "content-length": str(len(body)),
        "content-type": "application/zstd",
        "host": f"127.0.0.1:{site.port}",
        "x-crc32": "891568578",
        "x-instance": "i-1",
        "x-protocol": "2",
        "x-raw-bytes": "3",
        "x-token": "t-1",
    }


def test_the_path_of_an_output_arrives_as_it_is(site, client):
    output = {"path": "a/b c+%~é?&.json", "name": "result", "bytes": 3, "sha256": "0"}

    client.send_output(META, output, 0, b"abc")

    assert site.asked[0][1].endswith("?path=a%2Fb%20c%2B%25~%C3%A9%3F%26.json&offset=0")


def test_many_requests_go_over_one_connection(site, client):
    for offset in range(20):
        client.send(META, "log", offset, Chunk(b"x"))
    client.streams(META)
    site.says = 409, JSON, b'{"size": 4}'
    client.heartbeat({})

    assert len(site.asked) == 22
    assert len(site.connections) == 1


def test_threads_share_a_client_and_each_gets_its_own_answer(intake, client_of):
    client = client_of(intake.url)
    client.heartbeat({})

    def ask(number):
        return [client.claim_job(number, "c").status for _ in range(20)]

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, [2, 3] * 6)) == [[404] * 20] * 12


def test_a_prefix_of_the_dashboards_address_is_kept(site, client_of):
    client_of(f"{site.url}/vacc").streams(META)

    assert site.asked[0][1] == "/vacc/api/v1/host/jobs/7/streams"


def test_the_key_is_sent_despite_address_credentials_and_netrc(
    site, client_of, monkeypatch, tmp_path
):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login them password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    client_of(f"http://them:secret@127.0.0.1:{site.port}").streams(META)

    assert site.headers()["Authorization"] == f"Bearer {KEY}"
    assert site.headers()["Host"] == f"127.0.0.1:{site.port}"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_not_used(name, site, client, monkeypatch):
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert client.streams(META).status == 200


def test_a_cookie_is_neither_kept_nor_sent_back(site, client):
    site.says = 200, {"Set-Cookie": "sticky=1; Path=/"}, b"{}"
    client.streams(META)
    client.streams(META)

    assert len(site.asked) == 2
    assert "Cookie" not in site.headers()


@pytest.mark.parametrize("to", ["/elsewhere", "http://127.0.0.1:1/", "http://[", "\xff"])
def test_a_redirect_is_not_followed(to, site, client):
    site.says = 307, {**JSON, "Location": to}, b'{"error": "moved"}'

    answer = client.send(META, "log", 0, Chunk(b"x"))

    assert (answer.status, answer.body) == (307, {"error": "moved"})
    assert len(site.asked) == 1


REQUESTS = (
    lambda client: client.heartbeat({"now": 1}),
    lambda client: client.send(META, "log", 0, Chunk(b"x")),
    lambda client: client.streams(META),
)


@pytest.fixture
def kept(site, client):
    """Two connections that the client has used and kept."""
    site.is_silent = True
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(client.streams, [META] * 2)
        until(lambda: len(site.asked) == 2, "two connections at once")
        site.waits.set()
        assert [answer.status for answer in answers] == [200] * 2
    return site.connections


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("ask", REQUESTS)
def test_a_request_that_meets_a_closing_connection_goes_again_on_a_new_one(
    ask, is_reset, site, client, kept, caplog
):
    says = iter([(None, {"reset": is_reset}, b""), (200, JSON, b"{}")])
    site.says = lambda path: next(says)

    assert ask(client).status == 200

    *_, first, second = site.asked
    assert [*map(str, first)] == [*map(str, second)]
    assert (len(site.asked), len(kept)) == (4, 3)
    assert caplog.messages == []


@pytest.mark.parametrize("ask", REQUESTS)
def test_what_had_no_answer_is_sent_once_more_only(ask, site, client):
    site.says = None, {}, b""

    with pytest.raises(Unreachable, match="closed connection without response"):
        ask(client)

    assert (len(site.asked), len(site.connections)) == (2, 2)


def test_a_connection_that_was_closed_meanwhile_is_made_anew(site, client):
    site.says = 200, {**JSON, "Connection": "close"}, b"{}"

    assert [client.streams(META).status for _ in range(3)] == [200] * 3
    assert len(site.connections) == 3


def test_a_silent_dashboard_is_waited_for_so_long_and_no_longer(site, client_of, monkeypatch):
    assert clients.TIMEOUT == (5.0, 30.0)
    monkeypatch.setattr(clients, "TIMEOUT", (5.0, 0.1))
    site.is_silent = True

    with pytest.raises(Unreachable, match="timed out"):
        client_of(f"{site.url}").streams(META)

    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, b"<html>", "answer 200 is not JSON"),
        (200, b"", "answer 200 is not JSON"),
        (200, b"\xff", "answer 200 is not JSON"),
        (200, b"[]", "answer 200 is not an object"),
        (404, b"<html>", "answer 404 is not JSON"),
        (500, b"{}", "answer 500"),
        (502, b"<html>", "answer 502 is not JSON"),
    ],
)
def test_what_is_not_the_dashboards_own_is_no_answer(status, body, reason, site, client):
    site.says = status, JSON, body

    with pytest.raises(Unreachable) as caught:
        client.streams(META)

    assert str(caught.value) == f"{client.dashboard}: {reason}"


def test_too_large_is_an_answer_in_whatever_words(site, client):
    site.says = 413, {}, b"<html>"

    answer = client.send(META, "log", 0, Chunk(b"x"))

    assert (answer.status, answer.body) == (413, {})


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "gzip"}, gzip.compress(b'{"size": 9}')),
        (
            {"Content-Length": None, "Transfer-Encoding": "chunked"},
            b'3\r\n{"s\r\n7\r\nize":9}\r\n0\r\n\r\n',
        ),
    ],
)
def test_an_answer_that_a_proxy_has_changed_is_read_whole(headers, body, site, client):
    site.says = 200, {**JSON, **headers}, body

    assert [client.streams(META).body for _ in range(2)] == [{"size": 9}] * 2
    assert len(site.connections) == 1


def test_an_endless_answer_times_out(site, client, monkeypatch):
    monkeypatch.setattr(clients, "LONGEST", 200_000)
    site.says = 200, JSON, b" " * 199_998 + b"{}"
    assert client.streams(META).status == 200
    site.says = 200, JSON, b" " * 199_999 + b"{}"

    with pytest.raises(Unreachable, match="longer than 200000 bytes"):
        client.streams(META)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Length": "100", "Connection": "close"}, b'{"size": 9}'),
        ({"Content-Length": None, "Transfer-Encoding": "chunked"}, b"what?\r\n"),
        ({"Content-Encoding": "gzip"}, b'{"size": 9}'),
    ],
)
def test_an_answer_that_is_broken_is_none(headers, body, site, client):
    site.says = 200, {**JSON, **headers}, body

    with pytest.raises(Unreachable):
        client.streams(META)

    assert len(site.asked) == 1


def test_an_unreachable_dashboard_has_its_reason(client_of):
    with pytest.raises(Unreachable, match=r"127.0.0.1:1: \[Errno 111\] Connection refused$"):
        client_of("http://127.0.0.1:1").streams(META)


@pytest.mark.parametrize("url", ["http://a..b", "http://" + "a" * 64 + ".lan", "http://x.invalid"])
def test_an_unknown_host_name_is_unreachable(url, client_of):
    with pytest.raises(Unreachable):
        client_of(url).streams(META)


@pytest.fixture
def tls_client(site, client_of):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    return client_of(f"https://127.0.0.1:{site.port}")


def test_the_authorities_that_requests_brings_do_not_count(site, tls_client, monkeypatch):
    monkeypatch.setattr(adapters, "DEFAULT_CA_BUNDLE_PATH", str(TLS / "cert.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(TLS / "cert.pem"))

    with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
        tls_client.streams(META)

    assert site.asked == []


def test_the_authorities_of_this_system_are_trusted(site, tls_client, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))

    assert [tls_client.streams(META).status for _ in range(3)] == [200] * 3
    assert len(site.connections) == 1


def test_a_certificate_for_another_name_is_refused(site, tls_client, client_of, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "cert.pem"))

    with pytest.raises(Unreachable, match="match"):
        client_of(f"https://localhost:{site.port}").streams(META)
