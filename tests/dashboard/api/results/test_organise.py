"""The API of tags, notes, sign-offs, baselines, saved views and the fleet."""

import pytest

from jobs.models import AuditEntry, Tag
from tests.comparing import OTHER
from tests.dashboard.lib.caller import Caller
from tests.factories import make_result, make_user
from tests.measuring import make_measuring_host, measured, served

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def lin():
    return Caller(make_user("lin"))


def send(caller, method, path, body=None):
    call = getattr(caller.client, method)
    kwargs = {"data": body or {}, "content_type": "application/json"}
    return call(f"/api/v1/{path}", headers=caller.headers, **kwargs)


def test_tags_are_added_filtered_and_removed(lin):
    result, other = make_result(), make_result()
    place = f"results/res-{result.pk}/tags"

    assert lin.post(place, {"tags": ["v3/rc", "夜间"]}).json() == {"tags": ["v3/rc", "夜间"]}
    listed = lin.get("results?tag=v3/rc").json()["results"]
    assert [(row["id"], row["tags"]) for row in listed] == [(f"res-{result.pk}", ["v3/rc", "夜间"])]
    assert lin.get(f"results/res-{other.pk}").json()["tags"] == []

    assert send(lin, "delete", f"{place}/v3/rc").json() == {"tags": ["夜间"]}
    assert send(lin, "delete", f"{place}/v3/rc").status_code == 404


@pytest.mark.parametrize("tags", [[], [""], ["x" * 33], ["a,b"], [f"{n}" for n in range(13)]])
def test_a_wrong_tag_is_at_its_field(lin, tags):
    answer = lin.post(f"results/res-{make_result().pk}/tags", {"tags": tags})

    assert answer.status_code == 422
    assert "tags" in answer.json()["fields"]


def test_a_note_is_added_edited_and_removed(lin):
    place = f"results/res-{make_result().pk}/notes"

    made = lin.post(place, {"text": "warm"})
    note = made.json()
    assert (made.status_code, note["text"], note["created_by"]) == (201, "warm", "lin")
    edited = send(lin, "patch", f"{place}/{note['id']}", {"text": "cold"}).json()
    assert (edited["text"], edited["edited_by"]) == ("cold", "lin")
    assert lin.get(place).json()["notes"] == [edited]

    assert send(lin, "delete", f"{place}/{note['id']}").json() == edited

    assert lin.get(place).json() == {"notes": [], "next": None}
    assert lin.post(place, {"text": " "}).json()["fields"].keys() == {"text"}


def test_a_sign_off_is_added_and_withdrawn(lin):
    result = make_result()
    place = f"results/res-{result.pk}/sign-offs"

    row = lin.post(place, {"purpose": "ACME"}).json()
    listed = lin.get("results?released=1").json()["results"]
    assert [one["released"] for one in listed] == [["ACME"]]
    gone = send(lin, "post", f"{place}/{row['id']}/withdraw").json()

    assert (gone["withdrawn_by"], gone["purpose"]) == ("lin", "ACME")
    assert lin.get(place).json()["sign_offs"] == [gone]
    assert lin.get("results?released=1").json()["results"] == []
    assert lin.post(place, {"purpose": ""}).json()["fields"].keys() == {"purpose"}


def test_a_baseline_is_set_judges_and_is_removed(lin):
    host = make_measuring_host()
    base, *_others = (measured(served(host), points=((1, n),)) for n in (100, 101, 99))
    later, *_others = (measured(served(host, OTHER), points=((1, n),)) for n in (92, 93, 91))
    place = f"results/res-{base.pk}/baseline"

    assert send(lin, "put", place).json()["baseline"] == f"res-{base.pk}"
    verdict = lin.get(f"results/res-{later.pk}").json()["vs_baseline"]
    assert (verdict["state"], verdict["baseline"], verdict["is_relative"]) == (
        "regressed",
        f"res-{base.pk}",
        True,
    )
    assert verdict["low"] < verdict["change"] < verdict["high"] < 0
    assert lin.get(f"results/res-{base.pk}").json()["is_baseline"] is True
    gone = send(lin, "delete", place).json()

    assert (gone["baseline"], gone["history"][0]["ended_by"]) == (None, "lin")
    assert lin.get(f"results/res-{later.pk}").json()["vs_baseline"] is None
    dids = [row.detail["did"] for row in AuditEntry.objects.order_by("pk")]
    assert dids == ["set", "remove"]


def test_a_result_without_a_subject_is_no_baseline(lin):
    answer = send(lin, "put", f"results/res-{make_result().pk}/baseline")

    assert answer.status_code == 422


def test_a_view_is_saved_changed_and_removed(lin):
    made = lin.post("result-views", {"name": "Nightly", "query": "tag=a&format=csv&x=1"})
    view = made.json()
    assert (made.status_code, view["query"], view["shared"]) == (201, "tag=a", False)

    place = f"result-views/{view['id']}"
    changed = send(lin, "patch", place, {"shared": True, "query": "tag=b"}).json()
    assert (changed["name"], changed["query"], changed["shared"]) == ("Nightly", "tag=b", True)
    assert lin.get("result-views").json()["views"] == [changed]

    assert send(lin, "delete", place).json() == changed
    assert lin.get("result-views").json()["views"] == []
    assert lin.post("result-views", {"name": ""}).json()["fields"].keys() == {"name"}


def test_the_fleet_has_each_place_with_its_values(lin):
    host = make_measuring_host("va16")
    result = measured(served(host, stack="guide"), points=((1, 50.0), (4, 90.0)))

    answer = lin.get("fleet?days=7").json()

    places = {place["stack"]: place for place in answer["fleet"]}
    speed = places["guide"]["speed"]
    assert (speed["result"], speed["value"], speed["concurrency"]) == (f"res-{result.pk}", 90.0, 4)
    assert (speed["stale"], places["guide"]["accuracy"]) == ([], None)
    assert answer["days"] == 7
    assert lin.get("fleet?days=many").json()["days"] == 30


@pytest.mark.parametrize("scope", ["read", "launch"])
def test_a_token_changes_results_within_its_scope(lin, scope):
    lin.user.api_tokens.update(scope=scope)
    place = f"results/res-{make_result().pk}/tags"

    status = lin.post(place, {"tags": ["a"]}).status_code

    assert status == (403 if scope == "read" else 200)
    assert Tag.objects.count() == (0 if scope == "read" else 1)
