"""The field Seed of benchmarks over HTTP, in the form and in the preview."""

import re

import pytest
from django.urls import reverse

from tests.factories import make_deployment, make_host, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("kind", ["benchmark", "benchmark-guidellm"])
def test_a_seed_is_fresh_unless_one_is_typed(client, kind):
    client.force_login(make_user())
    host = make_host()
    typed = {"host": host.name, "deployment": str(make_deployment(host=host).pk)}

    def previewed(seed):
        asked = {**typed, "concurrency": "1, 4", "seed": seed}
        page = client.post(reverse("launch-preview", args=[kind]), asked).text
        return re.sub(r"<[^>]*>", "", page)

    form = client.get(reverse("launch-form", args=[kind])).text
    assert 'name="seed"' in form
    assert "--seeds 1=7,4=7" in previewed("7")
    # The job's number, and the place of the concurrency.
    assert re.search(r"--seeds 1=(\d+)01,4=(?:\1)02", previewed(""))
    assert "At least 0." in previewed("-1")
