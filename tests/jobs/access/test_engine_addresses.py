"""Names of engines: resolved once, and special addresses by an entry that names them."""

import socket
import threading

import pytest

from jobs.access import sources
from jobs.access.sources import clean
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.models import Source
from tests.factories import make_deployment, make_host, permit_source
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.django_db


def names(monkeypatch, *ips):
    """Let every name have these addresses; the list fills with names that were looked up."""
    looked_up = []

    def getaddrinfo(host, port, **_more):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "fd00:ec2::254"])
def test_a_name_does_not_permit_a_special_address(monkeypatch, ip):
    permit_source("http://engine.example:8197", "endpoint")
    names(monkeypatch, ip)

    with pytest.raises(LaunchError, match="has the address"):
        sources.engine_ips("http://engine.example:8197")


def test_an_entry_of_the_very_address_permits_a_name_of_it(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    permit_source("http://127.0.0.1:8197", "endpoint")
    names(monkeypatch, "::1", "127.0.0.1")

    assert sources.engine_ips("http://engine.example:8197") == ("127.0.0.1",)


def test_an_entry_of_another_port_permits_nothing(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    permit_source("http://127.0.0.1:1", "endpoint")
    names(monkeypatch, "127.0.0.1")

    with pytest.raises(LaunchError, match=r"http://127\.0\.0\.1:8197"):
        sources.engine_ips("http://engine.example:8197")


def test_an_address_of_no_machine_is_never_called(monkeypatch):
    permit_source("http://0.0.0.0:8197", "endpoint")
    names(monkeypatch, "0.0.0.0")

    with pytest.raises(LaunchError, match="no machine"):
        sources.engine_ips("http://0.0.0.0:8197")


def test_an_address_in_the_network_needs_no_entry_of_its_own(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    looked_up = names(monkeypatch, "192.0.2.7", "192.0.2.8")

    assert sources.engine_ips("http://engine.example:8197") == ("192.0.2.7", "192.0.2.8")
    assert looked_up == ["engine.example"]


def test_an_address_of_the_own_machine_is_special(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    ours = engine_addresses.ip_from("192.0.2.7")
    monkeypatch.setattr(engine_addresses, "_is_own", lambda ip: ip == ours)
    names(monkeypatch, "192.0.2.7")

    with pytest.raises(LaunchError, match="own machine"):
        sources.engine_ips("http://engine.example:8197")


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_a_name_that_no_resolver_takes_has_no_address(host):
    permit_source("https://engine.example", "endpoint")
    Source.objects.update(address=f"http://{host}:8000")

    with pytest.raises(OSError, match="no host name"):
        sources.engine_ips(f"http://{host}:8000")


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_an_empty_or_long_label_is_refused_at_the_field(host):
    with pytest.raises(ValueError, match=host):
        clean("endpoint", f"http://{host}:8000")


def test_a_lookup_without_an_answer_ends_in_time(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: end.wait(PATIENCE_S))
    monkeypatch.setattr(sources, "LOOKUP_S", 0.05)

    with pytest.raises(TimeoutError, match="no address of the name within"):
        sources.engine_ips("http://engine.example:8197")
    end.set()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "1.2.3.0x4"])
@pytest.mark.parametrize("source_type", ["endpoint", "hub", "git"])
def test_a_number_that_resolvers_read_as_an_address_is_no_host(source_type, host):
    with pytest.raises(ValueError, match=host):
        clean(source_type, f"https://{host}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://169.254.169.254", "http://[::1]:1"]
)
def test_a_special_address_has_a_warning(url):
    assert sources.special_range(url)


def test_names_and_addresses_of_the_network_have_no_warning():
    assert not sources.special_range("https://engine.example/a")
    assert not sources.special_range("http://192.0.2.1:8000")


@pytest.mark.parametrize("ip", ["127.0.0.1", "fd00:ec2::254", "100.100.100.200"])
def test_a_host_needs_an_entry_of_the_very_address_and_port(ip):
    deployment = make_deployment(
        host=make_host(type="vacc"), dashboard_url=str(engine_addresses.endpoint(ip, 8000))
    )
    assert deployment.url_to_call == ""

    permit_source(str(engine_addresses.endpoint(ip, 8001)), "endpoint")
    assert deployment.url_to_call == ""

    permit_source(deployment.dashboard_url, "endpoint")
    assert deployment.url_to_call == deployment.dashboard_url
