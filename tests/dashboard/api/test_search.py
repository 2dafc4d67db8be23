"""Search, an engine's rates and a growing accuracy over the API."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from dashboard.api import serving
from dashboard.pages.shared.engine_rates import Rates
from tests.dashboard.lib.caller import Caller
from tests.factories import make_deployment, make_host, make_job, make_result, make_user
from tests.kept import ended

pytestmark = pytest.mark.django_db


@pytest.fixture
def lin():
    return Caller(make_user("lin"))


def found(caller, **query):
    return [(one["kind"], one["id"]) for one in caller.get("search", **query).json()["matches"]]


def test_a_search_finds_records_of_each_kind(lin):
    host = make_host("rack-7")
    job = make_job(host=host, title="rack-7 nightly")
    result = make_result(host=host)
    served = make_deployment(host=host, name="rack-7-served")

    matches = found(lin, q="rack-7")

    assert ("host", "rack-7") in matches
    assert {("job", job.pk), ("deployment", served.pk), ("result", f"res-{result.pk}")} <= {
        *matches
    }
    assert ("job", job.pk) in found(lin, q=f"#{job.pk}")
    assert found(lin, q="rack-7", limit=1).count(("host", "rack-7")) == 1
    assert found(lin, q="deepseek-r1")[0][0] == "model"


def test_only_a_caller_with_all_rights_finds_chats(lin):
    lin.user.conversations.create(title="why so slow")

    assert found(lin, q="why so slow") == [("conversation", lin.user.conversations.get().pk)]
    lin.user.api_tokens.update(scope="read")
    assert found(lin, q="why so slow") == []


@pytest.mark.parametrize("query", [{"q": "x" * 201}, {"q": "x", "limit": 0}, {}])
def test_a_search_without_words_or_with_too_many_is_refused(lin, query):
    answer = lin.get("search", **query)

    assert answer.status_code == 400
    assert len(answer.json()["fields"]) == 1


def test_rates_of_an_engine_are_those_of_its_page(lin, monkeypatch):
    served = make_deployment()
    rates = Rates(120.5, 3.0, 0.0, 41.0, (None, 118.0), now() - timedelta(seconds=4), False)
    monkeypatch.setattr(serving, "rates", lambda rows: {row.pk: rates for row in rows})

    heard = lin.get(f"deployments/{served.pk}/metrics").json()["rates"]

    assert (heard["output_tokens_per_s"], heard["kv_cache"]) == (120.5, 41.0)
    assert (heard["history"], heard["is_stale"]) == ([None, 118.0], False)


def test_an_engine_that_reported_nothing_has_no_rates(lin):
    assert lin.get(f"deployments/{make_deployment().pk}/metrics").json() == {"rates": None}


def test_a_job_without_samples_has_no_accuracy_yet(lin):
    answer = lin.get(f"jobs/{make_job().pk}/accuracy").json()

    assert (answer["open"], answer["after"]) == (True, -1)
    assert not any(any(line.values()) for line in answer["series"].values())
    assert lin.get(f"jobs/{ended().pk}/accuracy").status_code == 200
