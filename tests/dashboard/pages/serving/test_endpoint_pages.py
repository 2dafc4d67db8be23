"""Pages of endpoints: list, form, detail, check, archive."""

import html
import re
from unittest.mock import Mock

import pytest
from django.urls import reverse

from jobs.confined import Busy, Pool
from jobs.models import AuditEntry, Endpoint, Source
from tests import hostile_server
from tests.factories import (
    keep_secret,
    make_endpoint,
    make_host,
    make_job,
    make_result,
    make_user,
    permit_source,
)
from tests.hostile_server import hostile
from tests.jobs.lib.scripted_engine import MODEL, engine

LIST, ADD = reverse("endpoint-list"), reverse("endpoint-add")
KEY = "sk-very-secret-0123456789"


def page_of(client, row):
    return html.unescape(client.get(reverse("endpoint-detail", args=[row.pk])).text)


def add(client, running, **more):
    permit_source(running.url, "endpoint")
    typed = {"name": "H800", "url": f"{running.url}/v1", "device": "8 × H800", "devices": "8"}
    return client.post(ADD, {**typed, **more}, follow=True)


def test_an_endpoint_is_added_with_what_the_engine_tells(client, lin):
    keep_secret("H800_KEY", KEY, purpose="engine", endpoints=["http://127.0.0.1"])
    with engine(KEY) as running:
        keep_secret("H800_KEY", KEY, purpose="engine", endpoints=[running.url])

        page = add(client, running, api_key="H800_KEY")

    row = Endpoint.objects.get()
    assert (row.url, row.model, row.created_by) == (running.url, MODEL, lin)
    assert (row.engine_name, row.version, row.context) == ("vllm", "0.9.1", 32768)
    assert {given for _path, given in running.asked} == {f"Bearer {KEY}"}
    for words in ("answers", "8 × H800", "0.9.1"):
        assert words in html.unescape(page.text)
    assert "reported by the engine" in page.text
    assert KEY not in page.text
    entry = AuditEntry.objects.get(action="endpoint.change")
    assert (entry.detail["address"], entry.user) == (running.url, lin)
    assert KEY not in str(entry.detail)


def test_an_endpoint_keeps_the_switch_of_its_template_and_a_change_is_checked(client, lin):
    with engine() as running:
        page = add(client, running, thinking_switch="enable_thinking")
        row = Endpoint.objects.get()
        address = reverse("endpoint-edit", args=[row.pk])
        form = client.get(address).text
        typed = {"name": "H20", "url": running.url, "model": MODEL, "device": "1 × H20"}
        client.post(address, typed)

    assert row.thinking_switch == "enable_thinking"
    assert '<dd><span class="mono">enable_thinking</span></dd>' in page.text
    assert f'value="{row.url}"' in form
    assert '<option value="enable_thinking" selected>enable_thinking (Qwen3, GLM-4.5)<' in form
    row.refresh_from_db()
    assert (row.name, row.device, row.devices) == ("H20", "1 × H20", None)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"url": "10.0.0.5:8000"}, "url", "Enter a web address such as"),
        ({"url": "http://10.0.0.9:8000"}, "url", "Ask an administrator to add it under Sources"),
        ({"devices": "many"}, "devices", "Enter a whole number"),
        ({"thinking_switch": "x"}, "thinking_switch", "Choose one of enable_thinking, thinking"),
    ],
)
def test_an_error_is_at_its_field_and_the_rest_stays(client, lin, change, field, words):
    with engine() as running:
        page = add(client, running, **change)

    assert page.status_code == 422
    at = html.unescape(page.text).partition(f'id="{field}-hint"')[2].partition("form-hint")[0]
    assert words in at
    assert "8 × H800" in page.text
    assert not Endpoint.objects.exists()


def test_only_keys_that_the_person_may_use_are_offered(client, lin):
    keep_secret("MINE", KEY, purpose="engine", people=[lin])
    keep_secret("THEIRS", KEY, purpose="engine", people=[make_user()])
    keep_secret("HUB", KEY)

    page = client.get(ADD).text

    assert "MINE" in page
    assert "THEIRS" not in page
    assert "HUB" not in page


# -- what a check finds ---------------------------------------------------------------------------


def checked(client, url, **fields):
    row = make_endpoint(url=url, **fields)
    client.post(reverse("endpoint-check", args=[row.pk]))
    row.refresh_from_db()
    return row


def test_a_check_without_a_free_reader_says_so(client, lin, monkeypatch):
    monkeypatch.setattr(Pool, "run", Mock(side_effect=Busy))
    with engine() as running:
        row = make_endpoint(url=running.url)
        answer = client.post(reverse("endpoint-check", args=[row.pk]))

    assert answer.status_code == 503
    assert "<h1>Endpoint not checked</h1>" in answer.text


@pytest.mark.parametrize(
    ("answer", "check_id"),
    [
        ((401, "{}"), "endpoint:key_missing"),
        ((404, ""), "endpoint:status"),
        ((200, "<html>"), "endpoint:no_list"),
        ((200, '{"data": [{"id": "other"}]}'), "endpoint:no_model"),
        ((200, '{"data": [{"id": "m"}]}'), "endpoint:ok"),
    ],
)
def test_a_check_says_what_is_wrong(client, lin, answer, check_id):
    with engine() as running:
        running.answers["/v1/models"] = answer

        row = checked(client, running.url)

    assert row.check_id == check_id
    assert "%(" not in page_of(client, row)


def test_a_redirect_is_not_followed_and_gets_no_key(client, lin):
    with (
        hostile(hostile_server.no_http) as elsewhere,
        hostile(hostile_server.redirect(302, f"{elsewhere.url}/v1/models")) as server,
    ):
        keep_secret("H800_KEY", KEY, purpose="engine", endpoints=[server.url])

        row = checked(client, server.url, api_key="H800_KEY")

    assert row.check_id == "endpoint:redirect"
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        *(hostile_server.endless_body, hostile_server.endless_header, hostile_server.slow_body),
        *(hostile_server.silent, hostile_server.no_http, hostile_server.compressed),
    ],
)
def test_a_hostile_engine_is_silent_within_bounds(client, lin, monkeypatch, answer):
    monkeypatch.setattr("dashboard.actions.endpoints.CHECK_S", 0.3)
    with hostile(answer) as server:
        row = checked(client, server.url)

    assert row.check_id in ("endpoint:silent", "endpoint:no_list")
    assert "%(" not in page_of(client, row)


def test_an_address_that_left_the_list_is_not_asked_and_gets_no_key(client, lin):
    with engine(KEY) as running:
        keep_secret("H800_KEY", KEY, purpose="engine", endpoints=["http://10.0.0.1"])
        row = checked(client, running.url, api_key="H800_KEY")
        assert row.check_id == "endpoint:key_refused"
        Source.objects.all().delete()

        client.post(reverse("endpoint-check", args=[row.pk]))

    row.refresh_from_db()
    assert (row.check_id, running.asked) == ("endpoint:not_permitted", [])


# -- list and detail ------------------------------------------------------------------------------


def test_the_list_is_by_name_and_has_address_device_and_number_of_results(client, lin):
    empty = client.get(LIST).text
    last, first = make_endpoint("H800, second"), make_endpoint("H800, first")
    make_result(endpoint=first)

    page = client.get(LIST)

    assert "an engine that this dashboard did not start" in empty and ADD in empty
    assert [row for row, *_ in page.context["rows"]] == [first, last]
    for words in ("H800", first.url, "8 × H800", "0.9.1", f"?endpoint={first.pk}"):
        assert words in page.text


def test_an_archived_endpoint_leaves_the_list_and_comes_back(client, lin):
    row = make_endpoint("H800", created_by=lin)
    archive = reverse("endpoint-archive", args=[row.pk])
    job = make_job(inputs={"deployment": {"endpoint": row.pk}})
    assert f"#{job.pk}" in client.get(archive).text

    client.post(archive)
    assert row.url not in client.get(LIST).text
    assert row.url in client.get(f"{LIST}?all=1").text

    client.post(archive, {"archived": "0"})
    assert row.url in client.get(LIST).text


def test_the_page_has_results_jobs_forms_and_what_repeats_lack(client, lin):
    row = make_endpoint("H800")
    make_result(endpoint=row, what="everyday")
    job = make_job(inputs={"deployment": {"endpoint": row.pk}})

    page = page_of(client, row)

    assert reverse("endpoint-detail", args=[row.pk]) in client.get(f"/jobs/{job.pk}/").text
    assert f"/launch/?for=speed&deployment=endpoint%3A{row.pk}" in page
    assert f"/launch/?for=accuracy&deployment=endpoint%3A{row.pk}" in page
    assert "everyday" in page
    assert f"#{job.pk}" in page
    bare = make_endpoint(device="", devices=None, found={"engine": "vllm"})
    assert "Unknown: version, device." in page_of(client, bare)


def test_the_launch_form_offers_endpoints_after_deployments(client, lin):
    make_host("va16", facts={"roots": {"weights": "/w", "artifacts": "/a", "environments": "/e"}})
    row = make_endpoint("H800")

    page = client.get(f"/launch/benchmark/?host=va16&deployment=endpoint:{row.pk}").text

    assert f'value="endpoint:{row.pk}" selected' in page
    assert "H800 (endpoint, 8 × H800)" in page


def test_a_result_shows_stamp_and_device_and_adds_no_empty_filter(client, lin):
    row = make_endpoint("H800")
    device = {"device": {"text": "8 × H800", "count": 8}}
    result = make_result(endpoint=row, run_context=device, label="")

    for page in (
        client.get(f"/results/res-{result.pk}/").text,
        client.get("/results/?stamp=external").text,
        client.get(f"/results/compare/?id=res-{result.pk}&id=res-{make_result().pk}").text,
    ):
        assert "external, 8 × H800" in " ".join(page.split())
    facets = client.get("/results/").text.partition('id="facets"')[2].partition("</form>")[0]
    assert 'name="stamp" value="external"' in facets
    assert not re.search('type="checkbox"[^>]* value=""', facets)


def test_a_name_of_this_machine_is_not_called_before_its_address_is_permitted(client, lin):
    with engine() as running:
        named = running.url.replace("127.0.0.1", "localhost")
        permit_source(named, "endpoint")
        client.post(ADD, {"name": "Local", "url": named, "model": MODEL})
        row = Endpoint.objects.get()

        page = page_of(client, row)

        assert running.asked == []
        assert "special address" in page
        assert row.check_id == "endpoint:special"
        permit_source(running.url, "endpoint")

        client.post(reverse("endpoint-check", args=[row.pk]))

        row.refresh_from_db()
        assert row.check_id == "endpoint:ok"
        assert running.asked
