"""Page on which administrators set and delete secrets; no page shows a value."""

import pytest
from django.urls import reverse

from jobs.access import secrets
from jobs.models import AuditEntry, Job, Secret
from jobs.plans import Step
from tests.factories import (
    make_deployment,
    make_host,
    make_job,
    make_plan,
    make_user,
    secret_values,
)

LIST, KEEP = reverse("secret-list"), reverse("secret-keep")
DELETE = reverse("secret-delete", args=["HF_TOKEN"])
VALUE = "hf_0123456789"
RULES = {
    "purpose": "hub",
    "endpoints": "https://huggingface.co\r\nhttps://hf-mirror.com\r\n",
    "all_hosts": "on",
    "everyone": "on",
}


def keep(client, name="HF_TOKEN", value=VALUE, *, rules=RULES, **more):
    return client.post(KEEP, {"name": name, "value": value, **rules}, **more)


def needing_token():
    """A plan with a step that is given the secret."""
    env = (("HF_TOKEN", "{secret:HF_TOKEN}"),)
    return make_plan(steps=(Step("fetch", ("hf", "download"), env=env),))


def test_a_secret_is_kept_and_never_shown_again_and_the_record_has_no_value(admin):
    answer = keep(admin, follow=True)

    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    for page in (answer, admin.get(LIST), admin.get(f"{LIST}?name=HF_TOKEN"), admin.get(DELETE)):
        assert "HF_TOKEN" in page.content.decode()
        assert VALUE not in page.content.decode()
    keep(admin, value="hf_another_one")
    admin.post(DELETE)
    entries = list(AuditEntry.objects.order_by("pk"))
    assert {entry.subject for entry in entries} == {"secret HF_TOKEN"}
    assert [entry.detail["did"] for entry in entries] == ["set", "replace", "delete"]
    assert entries[0].detail == {
        "did": "set",
        "purpose": "hub",
        "endpoints": ["https://huggingface.co", "https://hf-mirror.com"],
        "hosts": None,
        "people": None,
    }


def test_the_list_shows_the_rules(admin):
    host, lin = make_host("va16-01"), make_user("lin")
    rules = {**RULES, "hosts": [host.name], "people": [lin.username]}

    keep(admin, rules={key: rules[key] for key in ("purpose", "endpoints", "hosts", "people")})

    row = admin.get(LIST).text.partition("<tbody>")[2].partition("</tbody>")[0]
    for word in ("hub token", "https://huggingface.co", "https://hf-mirror.com", "va16-01", "lin"):
        assert word in row


def test_the_form_of_a_stored_secret_changes_its_rules_and_not_its_value(admin):
    keep(admin)
    form = admin.get(f"{LIST}?name=HF_TOKEN").text
    assert 'value="hub" checked' in form
    assert "https://huggingface.co\nhttps://hf-mirror.com</textarea>" in form
    assert "Change HF_TOKEN" in form

    keep(admin, value="", rules={**RULES, "endpoints": "https://hub.example"})

    row = Secret.objects.get()
    assert row.endpoints == ["https://hub.example"]
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    assert AuditEntry.objects.latest("pk").detail["did"] == "change"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"purpose": ""}, "purpose", "Choose the purpose."),
        ({"endpoints": ""}, "endpoints", "Enter at least one address"),
        ({"all_hosts": None, "hosts": "moon"}, "hosts", "No host is named “moon”."),
        ({"hosts": "moon"}, "hosts", "Hosts are ticked: choose"),
        ({"people": "ada"}, "people", "People are ticked: choose"),
        ({"everyone": None, "people": "nobody"}, "people", "No person is named “nobody”."),
        ({"name": "token"}, "name", "Use capital letters, digits and underscores"),
        ({"value": "hf_1234"}, "value", "Enter 8 to 4096 characters."),
    ],
)
def test_an_error_is_at_its_field_and_all_but_the_value_stays(admin, change, field, message):
    typed = {"name": "HF_TOKEN", "value": VALUE, **RULES, **change}

    answer = admin.post(KEEP, {key: value for key, value in typed.items() if value is not None})

    assert answer.status_code == 422
    assert message in answer.text.partition(f'id="{field}-hint"')[2].partition("</div>")[0]
    assert f'value="{typed["name"]}"' in answer.text and typed["value"] not in answer.text
    assert secrets.names() == []
    assert not AuditEntry.objects.exists()


def test_a_missing_key_file_is_named_to_administrators(admin, settings):
    keep(admin)
    path = settings.DATA_DIR / "secrets" / "encryption_key"
    assert str(path) in admin.get(LIST).text
    path.unlink()

    page = admin.get(LIST).text
    answer = keep(admin, "API_KEY")

    assert "Secrets cannot be decrypted." in page
    assert f"The key file of secrets is missing: {path}" in page
    assert answer.status_code == 422
    assert "is missing" in answer.text.partition('id="value-hint"')[2].partition("</div>")[0]


def test_spaces_of_a_pasted_line_are_none_of_the_secret(admin):
    assert "Enter the secret&#x27;s value." in keep(admin, value=" ").text

    keep(admin, value=f"  {VALUE}\n")

    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_deleting_asks_first_and_names_who_needs_it(admin):
    keep(admin)
    waiting = make_job(plan=needing_token())
    other = make_job()
    served = make_job(plan=needing_token(), state=Job.State.SUCCEEDED)
    deployment = make_deployment(job=served)

    page = admin.get(DELETE).content.decode()

    assert f'"/jobs/{waiting.pk}/"' in page
    assert f'"/deployments/{deployment.pk}/"' in page
    assert f'"/jobs/{other.pk}/"' not in page
    assert secrets.names() == ["HF_TOKEN"]
    admin.post(DELETE)
    assert secrets.names() == []


@pytest.mark.parametrize("name", ["NOBODYS", "..", "secret_key"])
def test_what_is_not_kept_cannot_be_deleted(admin, name):
    assert admin.post(reverse("secret-delete", args=[name])).status_code == 404
