import pytest
from django.urls import reverse

from jobs.models import AuditEntry, DeploymentEvent
from tests.factories import make_artifact, make_deployment, make_host, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def lin(client):
    user = make_user("lin")
    client.force_login(user)
    return user


def test_the_list_shows_what_is_up_and_on_wish_what_ended(client, lin):
    make_deployment(name="served-now")
    make_deployment(name="served-once", state="stopped")

    up = client.get(reverse("deployment-list")).content.decode()
    everything = client.get(f"{reverse('deployment-list')}?all=1").content.decode()

    assert ("served-now" in up, "served-once" in up) == (True, False)
    assert "1 deployment is ready" in up
    assert "served-once" in everything


def test_the_page_shows_history_addresses_and_a_request_to_copy(client, lin):
    deployment = make_deployment(name="served", dashboard_url="http://10.0.0.7:8000")
    DeploymentEvent.objects.create(
        deployment=deployment, run=1, state="loading", sentence_id="deployment:loading"
    )

    text = client.get(reverse("deployment-detail", args=[deployment.pk])).content.decode()

    assert "curl http://10.0.0.7:8000/v1/chat/completions" in text
    assert "The server has started and loads the model." in text
    assert f"{reverse('playground')}?deployment={deployment.pk}" in text


def test_its_owner_stops_it_and_the_stop_is_kept(client, lin):
    deployment = make_deployment(created_by=lin)

    client.post(reverse("deployment-stop", args=[deployment.pk]))

    deployment.refresh_from_db()
    assert (deployment.state, deployment.wanted) == ("stopping", False)
    assert AuditEntry.objects.get().action == "deployment.stop"


def test_its_owner_restarts_it_as_the_next_run(client, lin):
    deployment = make_deployment(created_by=lin, state="stopped")

    client.post(reverse("deployment-restart", args=[deployment.pk]))

    deployment.refresh_from_db()
    assert (deployment.state, deployment.run) == ("waiting", 2)


def test_nobody_else_stops_or_restarts_it(client, lin):
    deployment = make_deployment(created_by=make_user("chen"))

    for name in ("deployment-stop", "deployment-restart"):
        assert client.post(reverse(name, args=[deployment.pk])).status_code == 403

    deployment.refresh_from_db()
    assert (deployment.state, deployment.run) == ("ready", 1)
    page = client.get(reverse("deployment-detail", args=[deployment.pk])).content.decode()
    assert reverse("deployment-stop", args=[deployment.pk]) not in page


def test_a_models_page_shows_what_each_host_has_of_it(client, lin):
    host = make_host("workshop")
    artifact = make_artifact(host=host, label="Q8_0 from Q4_1")
    model = "smollm2-135m-instruct"

    text = client.get(reverse("model-detail", args=[model])).content.decode()

    assert "workshop" in text
    assert f"artifact={artifact.pk}" in text
    assert "Q8_0 from Q4_1" in client.get(reverse("model-list")).content.decode()
    assert client.get(reverse("model-detail", args=["nothing"])).status_code == 404
