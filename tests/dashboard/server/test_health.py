"""``/healthz``: a word for strangers, the parts for people."""

import pytest

from dashboard.server import health
from tests.factories import make_user

pytestmark = pytest.mark.django_db

WELL = {"database": {"ok": True, "ms": 1}, "redis": {"ok": True}, "disk": {"ok": True}}


@pytest.fixture
def parts(monkeypatch):
    """The checks' findings, to be changed by the test."""
    answers = dict(WELL)
    monkeypatch.setattr("dashboard.pages.home.all_checks", lambda: answers)
    return answers


def test_strangers_learn_that_all_is_well_and_nothing_else(client, parts):
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("part", ["database", "redis", "disk"])
def test_one_part_that_is_not_well_is_a_503(client, parts, part):
    parts[part] = {"ok": False, "error": "secret words"}

    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (503, {"status": "not ok"})


def test_people_who_are_logged_in_see_which_part(client, parts):
    client.force_login(make_user())
    parts["redis"] = {"ok": False, "error": "refused"}

    assert client.get("/healthz").json() == {"status": "not ok", **parts}


def test_no_user_is_looked_up_without_a_database(client, parts, django_assert_num_queries):
    client.force_login(make_user())
    parts["database"] = {"ok": False, "error": "gone"}

    with django_assert_num_queries(0):
        answer = client.get("/healthz")

    assert answer.json() == {"status": "not ok"}


@pytest.mark.postgresql
def test_the_database_answers(db):
    assert health.database()["ok"]


def test_redis_that_is_away_is_found_out(settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock?db=0"

    assert not health.broker()["ok"]


def test_a_folder_that_takes_no_writes_is_found_out(settings, tmp_path):
    assert health.disk()["ok"]

    settings.DATA_DIR = tmp_path / "gone"

    assert not health.disk()["ok"]
