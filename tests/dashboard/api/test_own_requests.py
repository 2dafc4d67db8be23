"""The dashboard's own requests in the server log, as the viewer asks for them."""

import pytest
from django.urls import reverse

from jobs.logstore import store
from tests.factories import make_deployment, make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
POLL = b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK\n'


@pytest.fixture
def page(client):
    client.force_login(make_user())
    return client


def test_they_are_returned_by_line_and_the_downloads_have_them(page):
    deployment = make_deployment()
    log = POLL + b"ERROR: out of memory\n" + POLL
    store().append(f"deployment/{deployment.pk}", 0, log)
    address = f"/api/v1/deployments/{deployment.pk}/log"

    answer = page.get(f"{address}/polls").json()

    assert answer == {"to": len(log), "ranges": [[1, 1], [3, 3]], "done": True, "lines": 3}
    assert page.get(f"{address}/polls?from={answer['to']}").json()["ranges"] == []
    assert b"".join(page.get(f"{address}?download=1")) == log


def test_only_a_servers_log_has_the_switch(page):
    deployment = make_deployment()

    text = page.get(reverse("deployment-detail", args=[deployment.pk])).text

    assert 'data-do="polls"' in text
    assert 'data-do="polls"' not in page.get(reverse("job-detail", args=[make_job().pk])).text
