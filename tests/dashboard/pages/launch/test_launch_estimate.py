"""The typical duration on a form is of its workload, or names the runs that it is from."""

import pytest
from django.urls import reverse

from jobs.launch.launch import preview
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(client):
    """The form of a benchmark with so many requests, after six runs with twelve of 30 s each."""
    client.force_login(make_user())
    host = make_host()
    served = make_deployment(job=make_job(host=host, state="succeeded"))
    raw = {"deployment": str(served.pk), "concurrency": [4], "requests": 12}
    params = preview("benchmark", raw, host).params.model_dump(mode="json")
    for _ in range(6):
        make_job(
            **{"host": host, "kind": "benchmark", "title": f"{served.name} @ 4", "params": params},
            **{"state": "succeeded", "duration_s": 30.0},
        )
    query = f"host={host.name}&deployment={served.pk}&concurrency=4&requests="
    return lambda n: client.get(
        f"{reverse('launch-form', args=['benchmark'])}?{query}{n}"
    ).content.decode()


def test_more_requests_scale_the_estimate(shown):
    html = shown(3000)

    assert "2 h 05 min" in html
    assert "Scaled to this workload from 6 earlier runs." in html


def test_of_the_same_work_the_times_are_as_they_were(shown):
    html = shown(12)

    assert "Based on 6 identical runs." in html
    assert "Scaled" not in html
