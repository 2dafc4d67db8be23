"""Zero bytes, which PostgreSQL takes in no text, are refused with words. Forms are UTF-8."""

import json
import re

import pytest
from django.conf import settings as project
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from django.urls import reverse

from jobs.models import Conversation, Job
from tests.dashboard.lib.routes import PATTERNS
from tests.factories import make_host, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def person():
    return make_user(is_staff=True)


@pytest.fixture
def client(client, person):
    client.force_login(person)
    return client


def is_refused_with_words(answer):
    return answer.status_code == 400 and "U+0000" in answer.content.decode()


@pytest.mark.parametrize("address", ["/jobs/?person=a%00b", "/models/a%00b/", "/jobs/?%00=1"])
def test_a_zero_byte_in_an_address_is_no_error_of_ours(client, address):
    assert is_refused_with_words(client.get(address))


def test_no_view_sees_a_zero_byte(client):
    for route in PATTERNS:
        address = "/" + re.sub(r"<[^>]+>", "1", route) + "?text=%00"
        assert is_refused_with_words(client.get(address)), address
        assert is_refused_with_words(client.post(address)), address


@pytest.mark.postgresql
@pytest.mark.parametrize("is_multipart", [True, False])
def test_a_zero_byte_in_a_form_changes_nothing(client, person, is_multipart):
    chat = Conversation.objects.create(user_id=person.pk, title="before")
    address = reverse("conversation-rename", args=[chat.pk])
    body = {"title": "a\0b"}

    answer = (
        client.post(address, body)
        if is_multipart
        else client.post(address, "title=a%00b", content_type="application/x-www-form-urlencoded")
    )

    assert is_refused_with_words(answer)
    chat.refresh_from_db()
    assert chat.title == "before"


@pytest.mark.parametrize("charset", ["utf-7", "utf-16", "hex", "undefined"])
@pytest.mark.parametrize("is_multipart", [True, False])
def test_a_form_is_read_as_utf_8_whatever_its_header_says(client, person, charset, is_multipart):
    chat = Conversation.objects.create(user_id=person.pk, title="before")
    content_type = MULTIPART_CONTENT if is_multipart else "application/x-www-form-urlencoded"
    body = encode_multipart(BOUNDARY, {"title": "für"}) if is_multipart else b"title=f%C3%BCr"

    answer = client.generic(
        "POST",
        reverse("conversation-rename", args=[chat.pk]),
        body,
        content_type=f"{content_type}; charset={charset}",
    )

    assert answer.status_code == 302
    chat.refresh_from_db()
    assert chat.title == "für"


def test_a_zero_byte_in_a_cookie_reaches_no_database(client, django_assert_num_queries):
    client.cookies.load({project.SESSION_COOKIE_NAME: "long-enough\0"})

    with django_assert_num_queries(0):
        assert is_refused_with_words(client.get("/jobs/"))


def test_the_page_is_translated(client):
    page = client.get("/jobs/?q=%00", HTTP_ACCEPT_LANGUAGE="zh-hans").content.decode()

    assert '<html lang="zh-Hans">' in page
    assert "请求无效" in page


@pytest.mark.postgresql
@pytest.mark.parametrize("text", ["a\\u0000b", "\\ud800"])
@pytest.mark.parametrize("place", ["kind", "host", "params"])
def test_a_launch_whose_text_no_database_takes_is_refused(client, text, place):
    host = make_host()
    asked = {"kind": "prepare", "host": host.name, "params": {}}
    asked[place] = {"model": "X"} if place == "params" else "X"
    body = json.dumps(asked).replace("X", text)

    answer = client.post(
        "/api/v1/jobs",
        body,
        content_type="application/json",
        headers={"X-CSRFToken": client.cookies.get("csrftoken", "")},
    )

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid")
    assert not Job.objects.exists()
