"""The page of the client, as pip reads it: without a login."""

import hashlib
import io
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
    for module in (client_wheels, "dashboard.pages.client"):
        target = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{target}.DEPENDENCIES", tmp_path)

    html = client.get(reverse("client")).content.decode()

    assert "The dependencies were not collected." in html
    assert html.count(".whl#sha256=") == 1


def test_the_record_of_the_wheel_names_each_of_its_files():
    name, content = client_wheels.own_wheel()

    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        (record,) = [one for one in wheel.namelist() if one.endswith("/RECORD")]
        named = [line.split(",")[0] for line in wheel.read(record).decode().splitlines()]
        assert sorted(named) == sorted(wheel.namelist())
        assert "vacc_client/py.typed" in named
    assert name.endswith("-py3-none-any.whl")
