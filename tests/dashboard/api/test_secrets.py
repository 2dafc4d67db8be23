"""The API of secrets: names and rules for administrators, values for nobody."""

import pytest

from jobs.models import AuditEntry, Secret
from tests.factories import make_host, secret_values

pytestmark = pytest.mark.django_db
VALUE = "hf_0123456789"
RULES = {"purpose": "hub", "endpoints": ["https://huggingface.co"]}


def put(caller, name="HF_TOKEN", **body):
    return caller.send("put", f"secrets/{name}", body)


def test_a_secret_is_set_listed_changed_and_deleted(admin):
    make_host("va16-01")
    made = put(admin, value=VALUE, **RULES, hosts=["va16-01"], people=["ada"])

    shown = {key: made.json()[key] for key in ("name", "purpose", "endpoints", "hosts", "people")}
    assert shown == {"name": "HF_TOKEN", **RULES, "hosts": ["va16-01"], "people": ["ada"]}
    assert admin.get("secrets").json() == {"secrets": [made.json()], "next": None}
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}

    changed = put(admin, **{**RULES, "endpoints": ["https://hub.example"]})
    assert (changed.json()["hosts"], changed.json()["people"]) == (None, None)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}

    assert admin.send("delete", "secrets/HF_TOKEN").json()["name"] == "HF_TOKEN"
    assert admin.send("delete", "secrets/HF_TOKEN").status_code == 404
    done = [entry.detail["did"] for entry in AuditEntry.objects.order_by("pk")]
    assert done == ["set", "change", "delete"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (RULES, "value"),
        ({**RULES, "value": "short"}, "value"),
        ({**RULES, "value": VALUE, "purpose": "other"}, "purpose"),
        ({"value": VALUE, "purpose": "hub"}, "endpoints"),
        ({**RULES, "value": VALUE, "hosts": ["moon"]}, "hosts"),
        ({**RULES, "value": VALUE, "hosts": []}, "hosts"),
        ({**RULES, "value": VALUE, "people": ["nobody"]}, "people"),
    ],
)
def test_an_error_is_at_its_field_without_the_value(admin, body, field):
    answer = put(admin, **body)

    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]
    assert VALUE not in answer.text
    assert not Secret.objects.exists()


def test_a_name_that_is_no_variable_is_refused(admin):
    assert list(put(admin, "token", value=VALUE, **RULES).json()["fields"]) == ["name"]
