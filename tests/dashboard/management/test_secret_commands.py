"""The commands of secrets."""

import io
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from jobs.access import secret_keys as keys
from jobs.access import secrets
from jobs.models import AuditEntry, Secret
from tests.factories import keep_secret, make_host, make_user, secret_values

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
VALUE = "hf_0123456789"


@pytest.fixture
def typed(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{VALUE}\n"))


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


HUB = ("--purpose", "hub", "--endpoint", "https://huggingface.co")


def test_a_value_comes_from_standard_input_and_rules_from_options(typed):
    make_host("va16-01")
    make_user("lin")

    said = run("set_secret", "HF_TOKEN", *HUB, "--host", "va16-01", "--person", "lin")

    assert said == "HF_TOKEN saved.\n"
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    listed = run("list_secrets").splitlines()
    assert listed[1].split() == ["HF_TOKEN", "hub", "https://huggingface.co", "va16-01", "lin"]
    assert VALUE not in "".join(listed)
    assert AuditEntry.objects.get().user is None


def test_rules_change_without_the_value():
    keep_secret("API_KEY", VALUE, purpose="hub")

    run("set_secret", "API_KEY", "--purpose", "engine", "--keep-value")

    assert Secret.objects.get().purpose == "engine"
    assert secret_values(["API_KEY"]) == {"API_KEY": VALUE}
    assert "all deployments" in run("list_secrets")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("set_secret", "token", *HUB), "name: Use capital letters"),
        (("set_secret", "HF_TOKEN", "--purpose", "hub"), "endpoints: Enter at least one address"),
        (("set_secret", "HF_TOKEN", *HUB, "--host", "moon"), "hosts: No host is named “moon”."),
        (("set_secret", "HF_TOKEN", *HUB, "--keep-value"), "value: Enter the secret's value."),
        (("delete_secret", "HF_TOKEN"), "No secret is named 'HF_TOKEN'. Secrets: none"),
    ],
)
def test_an_error_says_what_is_wrong(typed, arguments, message):
    with pytest.raises(CommandError, match=message.replace("(", "\\(")):
        run(*arguments)

    assert secrets.names() == []


def test_a_secret_is_deleted():
    keep_secret("HF_TOKEN", VALUE)

    assert run("delete_secret", "HF_TOKEN") == "HF_TOKEN deleted.\n"
    assert secrets.names() == []


def test_the_key_is_rotated():
    keep_secret("HF_TOKEN", VALUE)
    before = keys.load()

    assert run("rotate_secrets_key").startswith("1 secrets encrypted")

    assert keys.load() != before
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    assert AuditEntry.objects.get().detail == {"did": "rotate", "secrets": 1}


def setup():
    """Errors of a start."""
    errors = StringIO()
    call_command("setup", "--dashboard-url", "http://127.0.0.1:1", stdout=StringIO(), stderr=errors)
    return errors.getvalue()


def test_a_start_with_a_bad_key_file_goes_on_and_names_it(settings):
    settings.DEBUG = True  # collects no static files
    keep_secret("HF_TOKEN", VALUE)
    keys.key_file().write_text("no key")

    assert f"holds no valid key: {keys.key_file()}" in setup()


def test_a_rotation_without_the_key_file_changes_nothing():
    keep_secret("HF_TOKEN", VALUE)
    keys.key_file().unlink()

    with pytest.raises(CommandError, match=r"Nothing changed\. The key file of secrets is missing"):
        run("rotate_secrets_key")
