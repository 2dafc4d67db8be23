import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from dashboard.pages.launch.launch_form import make_form, raw_values, typed_values
from jobs.kinds import KINDS
from jobs.models import Artifact
from jobs.schedule.targets import target_of
from tests.factories import make_deployment, make_host, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client):
    client.force_login(make_user())
    return client


@pytest.fixture
def deployment():
    host = make_host()
    return make_deployment(host=host)


def asked(action) -> int:
    """Return the number of queries of ``action`` for a host's artifacts."""
    with CaptureQueriesContext(
        connection,
    ) as capture:
        action()
    table = Artifact._meta.db_table
    return sum(f'FROM "{table}"' in query["sql"] for query in capture.captured_queries)


@pytest.mark.parametrize("kind", ["deploy", "benchmark", "evaluate"])
def test_the_form_and_its_preview_ask_for_a_hosts_assets_once(kind, page, deployment):
    typed = {"deployment": str(deployment.pk)}

    assert asked(lambda: page.get(reverse("launch-form", args=[kind]), typed)) == 1
    assert asked(lambda: page.post(reverse("launch-preview", args=[kind]), typed)) == 1


def test_a_launch_repeats_queries_only_under_its_lock(page, deployment):
    typed = {"deployment": str(deployment.pk), "host": deployment.host.name}
    address = reverse("launch-form", args=["benchmark"])

    # The first launch prepares an environment too, which takes two more queries.
    assert asked(lambda: page.post(address, typed)) == 4
    assert asked(lambda: page.post(address, typed)) == 2


def test_pydantic_makes_the_schema_of_a_kind_once(deployment, monkeypatch):
    kind, target = KINDS["benchmark"], target_of(deployment.host)
    made = []
    real = kind.Params.model_json_schema

    def count():
        made.append(kind)
        return real()

    monkeypatch.setattr(kind.Params, "model_json_schema", count)
    for _ in range(3):
        raw_values(make_form(kind, target, typed_values(kind, {}), {}), kind)

    assert len(made) <= 1
