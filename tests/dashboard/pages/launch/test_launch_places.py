"""A launch form says that a deployment reads the folder that the job would write to."""

import pytest
from django.urls import reverse

from jobs.models import Deployment
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job, make_user, make_weights

pytestmark = pytest.mark.django_db


def test_a_recompile_names_the_deployment_to_stop(client):
    client.force_login(make_user())
    host = make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)
    weights = make_weights(
        **{"host": host, "model_id": "deepseek-r1-distill-llama-8b", "precision": "bf16"},
        path="/nfs/workspace/weights/llama",
    )
    raw = {"weights": str(weights.pk), "precision": "int8", "name": "llama-int8"}
    folder = "/nfs/workspace/vacc_deploy/llama-int8"
    made = make_job(host=host, state="succeeded")
    make_deployment(job=made, name="llama-8b", details={"path": folder})

    def form():
        address = reverse("launch-form", args=["compile-vacc"])
        return client.get(address, {"host": host.name, **raw}).content.decode()

    assert (
        f"this job writes to {folder}, which a running deployment reads. Stop: llama-8b" in form()
    )

    Deployment.objects.update(state="stopped")

    assert "which a running deployment reads" not in form()
