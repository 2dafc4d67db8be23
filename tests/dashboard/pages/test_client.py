"""The page of the client, as pip reads it: without a login."""

import hashlib
import io
import os
import re
import zipfile

from django.urls import reverse

from dashboard.server import client_wheels


def test_each_link_of_the_page_is_a_wheel_with_its_hash(client):
    html = client.get(reverse("client")).content.decode()

    links = re.findall(r'href="(/client/[^"#]+\.whl)#sha256=([0-9a-f]{64})"', html)
    assert len(links) == len(client_wheels.wheels())
    for address, sha256 in links:
        answer = client.get(address)
        assert hashlib.sha256(answer.content).hexdigest() == sha256


def test_only_wheels_of_the_page_are_sent(client):
    assert client.get("/client/settings.py").status_code == 404


def test_the_page_says_that_dependencies_are_missing(client, monkeypatch, tmp_path):
    monkeypatch.setattr(client_wheels, "DEPENDENCIES", tmp_path)
    (tmp_path / "first-1.0-py3-none-any.whl").write_bytes(b"the next was not reached")

    html = client.get(reverse("client")).content.decode()

    assert "The dependencies were not collected." in html
    assert html.count(".whl#sha256=") == 2


def test_a_replaced_wheel_has_its_new_hash(monkeypatch, tmp_path):
    monkeypatch.setattr(client_wheels, "DEPENDENCIES", tmp_path)
    for number, content in enumerate((b"one", b"two")):
        (tmp_path / "a.whl").write_bytes(content)
        os.utime(tmp_path / "a.whl", ns=(number, number))
        assert client_wheels.wheels()["a.whl"].sha256 == hashlib.sha256(content).hexdigest()


def test_the_record_of_the_wheel_names_each_of_its_files():
    name, content = client_wheels.own_wheel()

    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        (record,) = [one for one in wheel.namelist() if one.endswith("/RECORD")]
        named = [line.split(",")[0] for line in wheel.read(record).decode().splitlines()]
        assert sorted(named) == sorted(wheel.namelist())
        assert "vacc_client/py.typed" in named
    assert name.endswith("-py3-none-any.whl")
