"""The page and the operation of the gateway's use."""

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import ApiToken, GatewayUse
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def used():
    people = {name: make_user(name, is_staff=name == "root") for name in ("ada", "eve", "root")}
    for name in ("ada", "eve"):
        counts = {
            "requests": 3,
            "failed": 1,
            "held": 2,
            "prompt_tokens": 20,
            "completion_tokens": 4,
        }
        row = {"token_name": f"key of {name}", "user": people[name], "model": "m-1"}
        GatewayUse.objects.create(**row, hour=now(), **counts)
    return people


@pytest.mark.parametrize(("name", "keys"), [("ada", ["key of ada"]), ("root", 2)])
def test_a_person_sees_own_keys_and_an_administrator_all(client, used, name, keys):
    client.force_login(used[name])

    page = client.get(reverse("gateway"))
    shown = [line["token_name"] for line in page.context["lines"]]
    answer = Caller(used[name]).get("gateway/use").json()

    assert shown == keys or len(shown) == keys
    assert sorted(row["key"] for row in answer["use"]) == sorted(shown)


def test_the_table_and_the_csv_have_the_counts(client, used):
    client.force_login(used["ada"])

    text = text_of(client.get(reverse("gateway")))
    lines = client.get(f"{reverse('gateway')}?format=csv").getvalue().decode().splitlines()

    assert "3 requests through the gateway, 1 failed" in text and "m-1 3 2 waited 1 20 4" in text
    assert lines[-1].endswith(",key of ada,ada,m-1,3,1,2,20,4,0")


def test_a_token_shows_its_limits_and_what_it_used(client):
    ada = make_user("ada")
    limits = {"token_budget": 5000, "requests_per_minute": 60, "allowed_models": ["r1"]}
    ApiToken.objects.create(user=ada, name="ci", scope="models", tokens_used=1234, **limits)
    client.force_login(ada)

    page = text_of(client.get(reverse("token-list")))
    listed = Caller(ada).get("tokens").json()["tokens"]
    token = next(one for one in listed if one["name"] == "ci")

    assert "1 234 of 5 000 tokens used, 60 requests a minute, r1" in page.replace("\u2009", " ")
    assert (token["tokens_used"], token["token_budget"], token["models"]) == (1234, 5000, ["r1"])


def test_without_use_the_page_says_how_to_begin(client):
    client.force_login(make_user("ada"))

    assert "Create a token of the scope models" in client.get(reverse("gateway")).text
