"""A team's own model, from a file in the dashboard's folder to a job that can be launched."""

from pathlib import Path

import pytest
import yaml
from django.apps import apps
from django.urls import reverse

from jobs.catalog import MODELS, SHIPPED
from jobs.kinds import KINDS
from tests.factories import make_user
from tests.jobs.lib.target import here

pytestmark = pytest.mark.django_db
OURS = "ours-of-the-team"


@pytest.fixture
def added(settings):
    """Puts a model's file into the data folder of a dashboard that has started already."""
    apps.get_app_config("jobs").ready()
    folder = Path(settings.DATA_DIR) / "catalog" / "models"
    folder.mkdir(parents=True)

    def add():
        data = SHIPPED["smollm2-135m-instruct"].model_dump(mode="json", exclude_none=True)
        text = yaml.safe_dump({**data, "id": OURS, "name": "Ours"})
        (folder / f"{OURS}.yaml").write_text(text, encoding="utf-8")

    yield add
    MODELS.configure(None)


def test_an_added_file_is_a_model_without_a_restart(client, added):
    client.force_login(make_user("lin"))
    address = reverse("model-detail", args=[OURS])
    assert client.get(address).status_code == 404

    added()

    assert "Ours" in client.get(address).content.decode()
    assert address in client.get(reverse("model-list")).content.decode()
    kind = KINDS["prepare"]
    params = kind.Params.model_validate({"what": "weights", "model": OURS})
    assert OURS in [choice.value for choice in kind.choices("model", here())]
    assert f"/weights/{OURS}/" in kind.product(params, here())["path"]
    assert kind.plan(params, here()).steps[0].name == "fetch"
