"""Rows that a team edits, over the API: endpoints, prompt sets, secrets, permitted sources."""

import pytest

from jobs.models import AuditEntry, Endpoint, PromptSet, Secret, Source
from tests.factories import make_endpoint, make_host, permit_source, secret_values
from tests.jobs.lib.scripted_engine import MODEL, engine

LINES = '{"prompt": "Why?"}\n{"prompt": "为什么？"}\n'
VALUE = "hf_0123456789"
RULES = {"purpose": "hub", "endpoints": ["https://huggingface.co"]}
GIT = {"type": "git", "address": "https://git.example/team", "note": "ours"}
URL = "http://10.0.0.5:8000"
H800 = {"name": "H800", "url": URL, "model": "m", "device": "d"}


def put(caller, name="HF_TOKEN", **body):
    return caller.send("put", f"secrets/{name}", body)


def dids():
    return [entry.detail["did"] for entry in AuditEntry.objects.order_by("pk")]


def test_an_endpoint_is_added_read_listed_and_checked(lin):
    with engine() as running:
        permit_source(running.url, "endpoint")
        made = lin.post("endpoints", {"name": "H800", "url": running.url, "devices": None})
        row = Endpoint.objects.get()
        checked = lin.post(f"endpoints/{row.pk}/check", {})

    assert made.status_code == 201
    wanted = {"model": MODEL, "engine": "vllm", "engine_version": "0.9.1", "answers": True}
    wanted |= {"id": row.pk, "checked_from": "dashboard", "created_by": "lin"}
    assert {name: made.json()[name] for name in wanted} == wanted
    assert checked.json()["answers"] is True
    assert lin.get(f"endpoints/{row.pk}").json() == checked.json()
    assert lin.get("endpoints").json()["endpoints"] == [checked.json()]


def test_archived_endpoints_are_listed_on_request(lin):
    row = make_endpoint()
    Endpoint.objects.update(archived_at=row.created_at)

    assert lin.get("endpoints").json()["endpoints"] == []
    assert lin.get("endpoints?all=1").json()["endpoints"][0]["archived"] is True


def test_a_prompt_set_is_added_read_listed_and_removed(lin):
    made = lin.post("prompts", {"name": "Chat", "language": "中文", "text": LINES})
    row = PromptSet.objects.get()

    assert made.status_code == 201
    shown = made.json()
    assert (shown["name"], shown["count"], shown["sha256"]) == ("Chat", 2, row.sha256)
    assert lin.get(f"prompts/{row.pk}").json()["prompts"] == ["Why?", "为什么？"]
    assert [one["id"] for one in lin.get("prompts").json()["prompt_sets"]] == [row.pk]
    assert lin.send("delete", f"prompts/{row.pk}").json()["removed"] is True
    assert lin.get("prompts").json()["prompt_sets"] == []
    assert lin.get(f"prompts/{row.pk}").json()["removed"] is True


@pytest.mark.parametrize(
    ("path", "listed", "body"),
    [
        ("levels", "levels", {"limits": {"ttft_p90_ms": 450}}),
        ("chat-presets", "presets", {"params": {"system": "Be brief."}}),
        ("prompts", "prompt_sets", {"text": LINES}),
    ],
)
def test_a_row_is_removed_and_restored_unless_its_name_is_taken(lin, path, listed, body):
    row = {"name": "Chat", **body}
    address = f"{path}/{lin.post(path, row).json()['id']}"

    assert lin.send("delete", address).json()["removed"] is True
    assert lin.get(path).json()[listed] == []
    assert lin.send("patch", address, {"name": "Voice"}).status_code in (404, 405)
    assert lin.post(f"{address}/restore").json()["removed"] is False
    lin.send("delete", address)
    lin.post(path, row)
    taken = lin.post(f"{address}/restore")
    assert (taken.status_code, [*taken.json()["fields"]]) == (422, ["name"])


def test_a_secret_is_set_listed_changed_and_deleted(admin):
    make_host("va16-01")
    made = put(admin, value=VALUE, **RULES, hosts=["va16-01"], people=["root"])

    shown = {key: made.json()[key] for key in ("name", "purpose", "endpoints", "hosts", "people")}
    assert shown == {"name": "HF_TOKEN", **RULES, "hosts": ["va16-01"], "people": ["root"]}
    assert admin.get("secrets").json() == {"secrets": [made.json()], "next": None}
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}

    changed = put(admin, **{**RULES, "endpoints": ["https://hub.example"]})
    assert (changed.json()["hosts"], changed.json()["people"]) == (None, None)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}

    assert admin.send("delete", "secrets/HF_TOKEN").json()["name"] == "HF_TOKEN"
    assert dids() == ["set", "change", "delete"]


def test_a_source_is_added_listed_and_removed(admin, lin):
    made = admin.post("sources", GIT)
    row = Source.objects.get()
    more = {"special": "", "added_by": "root", "added_at": row.created_at.isoformat()}
    shown = {**GIT, "id": row.pk, **more}
    assert (made.status_code, made.json()) == (201, shown)
    listed = lin.get("sources").json()
    assert (listed["sources"], listed["next"]) == ([shown], None)
    hub = {"type": "hub", "address": "https://hf-mirror.com", "origin": "Deployment guide"}
    assert hub in listed["included"]

    assert admin.send("delete", f"sources/{row.pk}").json() == shown

    assert not Source.objects.exists()
    assert dids() == ["add", "delete"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("post", "endpoints", {**H800, "url": "nowhere"}, "url"),
        ("post", "endpoints", {**H800, "devices": -1}, "devices"),
        ("post", "prompts", {"name": "", "text": LINES}, "name"),
        ("post", "prompts", {"name": "Chat", "text": "Why?"}, "text"),
        ("put", "secrets/token", {**RULES, "value": VALUE}, "name"),
        ("put", "secrets/HF_TOKEN", {**RULES, "value": "short"}, "value"),
        ("put", "secrets/HF_TOKEN", {"value": VALUE, "purpose": "hub"}, "endpoints"),
        ("put", "secrets/HF_TOKEN", {**RULES, "value": VALUE, "hosts": []}, "hosts"),
        ("put", "secrets/HF_TOKEN", {**RULES, "value": VALUE, "people": ["nobody"]}, "people"),
        ("post", "sources", {**GIT, "type": "svn"}, "type"),
        ("post", "sources", {**GIT, "address": "https://git.example/../x"}, "address"),
    ],
)
def test_an_error_is_at_its_field_without_a_secret_value(admin, method, path, body, field):
    permit_source(URL, "endpoint")

    answer = admin.send(method, path, body)

    assert (answer.status_code, list(answer.json()["fields"])) == (422, [field])
    assert VALUE not in answer.text
    assert not Secret.objects.exists()


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        ("prompts", {"name": "", "text": "Why?"}, {"name", "text"}),
        ("endpoints", {**H800, "name": "", "devices": -1}, {"name", "devices"}),
        ("levels", {"name": "", "limits": {"ttft_p90_ms": -1}}, {"name", "limits.ttft_p90_ms"}),
    ],
)
def test_a_refused_row_names_all_its_errors(admin, path, body, fields):
    permit_source(URL, "endpoint")

    assert set(admin.post(path, body).json()["fields"]) == fields
