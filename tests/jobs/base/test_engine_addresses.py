"""Addresses of engines: an IP address and a port, nothing else."""

import socket

import pytest

from jobs.base import engine_addresses
from jobs.base.engine_addresses import ip_from, is_callable, parse, port_from, special
from jobs.models import Deployment, Host


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7:8000", "http://[fd00::7]:1", "http://1.2.3.4:65535"]
)
def test_an_address_and_a_port_are_an_endpoint(url):
    assert str(parse(url)) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://10.0.0.7:80", "ftp://10.0.0.7:80", "http://user@10.0.0.7:80"),
        *("http://10.0.0.7", "http://10.0.0.7:abc", "http://10.0.0.7:0", "http://10.0.0.7:65536"),
        *("http://10.0.0.7:80/path", "http://10.0.0.7:80?x", "http://10.0.0.7:80\n"),
        *("http://10.0.0.7: 80", "http://10.0.0.7:٨٠", "http://host:80", "http://2130706433:80"),
        *("http://999.0.0.1:80", "http://[fe80::1%eth0]:80"),
    ],
)
def test_other_text_is_no_endpoint(url):
    assert parse(url) is None


RANGES = {
    "loopback": "127.0.0.1 127.9.9.9 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1 2002:7f00:1::",
    "link-local": "169.254.1.1 fe80::1 ::ffff:a9fe:1",
    "metadata": "169.254.169.254 fd00:ec2::254 100.100.100.200",
    "no-machine": "0.0.0.0 0.1.2.3 :: 224.0.0.1 ff02::1 255.255.255.255 ::ffff:0.0.0.0",
    "": "10.0.0.7 192.0.2.1 fd00::7 2001:db8::1",
}


@pytest.mark.parametrize(
    ("ip", "found"), [(ip, found) for found, ips in RANGES.items() for ip in ips.split()]
)
def test_an_address_has_its_special_range(ip, found):
    assert special(ip_from(ip)) == found


@pytest.mark.parametrize(
    ("found", "here", "elsewhere"),
    [
        ("", True, True),
        *((found, True, False) for found in ("loopback", "link-local", "own")),
        *((found, False, False) for found in ("metadata", "no-machine")),
    ],
)
def test_a_special_range_is_for_this_machine_or_never_called(found, here, elsewhere):
    assert is_callable(found, on_this_machine=True) is here
    assert is_callable(found, on_this_machine=False) is elsewhere


def test_an_address_of_this_machine_is_special(monkeypatch):
    monkeypatch.setattr(engine_addresses, "_is_own", lambda _ip: True)

    assert special(ip_from("192.0.2.1")) == engine_addresses.OWN


@pytest.mark.parametrize(("ip", "is_own"), [("192.0.2.1", False), ("127.0.0.1", True)])
def test_an_own_address_is_bound_or_called_from_itself_where_all_can_be(monkeypatch, ip, is_own):
    assert engine_addresses._is_own(ip_from(ip)) == is_own
    monkeypatch.setattr(socket.socket, "bind", lambda _self, _at: None)
    monkeypatch.setattr(engine_addresses, "_binds_any", lambda _version: True)

    assert engine_addresses._is_own(ip_from(ip)) == is_own


def test_an_address_that_cannot_be_asked_about_is_special(monkeypatch):
    def fail(*_args):
        raise OSError("too many open files")

    monkeypatch.setattr(socket, "socket", fail)

    assert special(ip_from("192.0.2.1")) == engine_addresses.OWN


def test_the_range_of_a_deployment_s_address_is_looked_up_once(monkeypatch):
    asked = []
    monkeypatch.setattr(engine_addresses, "_is_own", lambda ip: bool(asked.append(ip)))
    host, at = Host(type=Host.Type.VACC), engine_addresses.endpoint("192.0.2.1", 80)

    assert Deployment.callable_url(host, at) == str(at)
    assert len(asked) == 1


@pytest.mark.parametrize(("value", "port"), [(1, 1), (65535, 65535), ("8000", 8000), ("080", 80)])
def test_a_port_is_a_number_or_its_digits(value, port):
    assert port_from(value) == port


@pytest.mark.parametrize(
    "value", [0, 65536, -1, True, None, 8.5, "", " 80", "8_0", "+80", "80.0", "٨٠", 70 * "1", [80]]
)
def test_anything_else_is_no_port(value):
    assert port_from(value) is None
