"""Deployments with addresses of earlier versions are shown as they are, and called by nobody."""

import pytest
from django.urls import reverse

from jobs.models import Host
from jobs.schedule.capacity import capacity_of
from jobs.schedule.targets import deployment_ref
from tests.factories import make_deployment

pytestmark = [pytest.mark.django_db]

BAD = ["http://127.0.0.1:abc", "http://10.0.0.7:80/path", "http://[::1", "http://h:99999", "<b>:1"]


@pytest.fixture(params=BAD)
def deployment(request):
    made = make_deployment(name="old", host_url=request.param, dashboard_url=request.param)
    Host.objects.update(type="vacc")
    made.host.refresh_from_db()
    return made


@pytest.mark.parametrize(
    "name", ["overview", "deployment-list", "playground", "host-list", "model-list"]
)
def test_every_list_has_it(name, admin_client, deployment):
    assert admin_client.get(reverse(name)).status_code == 200


def test_its_own_page_shows_the_address_and_no_command(admin_client, deployment):
    page = admin_client.get(reverse("deployment-detail", args=[deployment.pk]))

    assert page.status_code == 200
    assert "curl" not in page.content.decode()


@pytest.mark.parametrize("kind", ["benchmark", "deploy", "evaluate"])
def test_forms_of_its_host_open(kind, admin_client, deployment):
    address = reverse("launch-form", args=[kind])

    assert admin_client.get(f"{address}?host={deployment.host.name}").status_code == 200


def test_it_has_no_port_and_gives_plans_no_address(deployment):
    data = deployment_ref(deployment).data

    assert (data["url"], data["host"], data["port"]) == ("", "", "")
    assert [server.port for server in capacity_of(deployment.host).servers] == [0]
