"""Secrets are stored encrypted, by name, with a key file that may lie elsewhere."""

import stat

import pytest
from django.db import connection

from jobs.access import secret_keys as keys
from jobs.access import secrets
from jobs.access.secret_keys import KeyUnusable
from jobs.models import Secret
from tests.factories import keep_secret, make_host, make_user, secret_values
from tests.refusals import refused_at

pytestmark = pytest.mark.django_db
VALUE = "hf_0123456789"


def key_file(folder):
    return folder / "secrets" / "encryption_key"


def test_the_table_has_an_encrypted_value_and_only_this_user_reads_the_key_file(settings):
    keep_secret("HF_TOKEN", VALUE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs_secret")
        (row,) = cursor.fetchall()
    assert VALUE not in str(row)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    path = key_file(settings.DATA_DIR)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_key_file_may_lie_outside_the_data_folder(settings, tmp_path):
    settings.SECRETS_KEY_FILE = tmp_path / "elsewhere" / "key"

    keep_secret("HF_TOKEN", VALUE)

    assert settings.SECRETS_KEY_FILE.exists()
    assert not key_file(settings.DATA_DIR).exists()
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_missing_key_file_is_named_and_never_made_anew(settings):
    keep_secret("HF_TOKEN", VALUE)
    key_file(settings.DATA_DIR).unlink()

    assert f"is missing: {key_file(settings.DATA_DIR)}" in secrets.problem()
    with pytest.raises(KeyUnusable, match="is missing"):
        keep_secret("API_KEY", "another-value")
    assert not key_file(settings.DATA_DIR).exists()
    assert secrets.names() == ["HF_TOKEN"]


@pytest.mark.parametrize("content", [b"", b"no key", keys.new() + b"\nno key"])
def test_a_file_without_a_key_is_named(settings, content):
    keep_secret("HF_TOKEN", VALUE)
    key_file(settings.DATA_DIR).write_bytes(content)

    assert "holds no valid key" in secrets.problem()


def test_another_key_is_no_empty_secret(settings):
    keep_secret("HF_TOKEN", VALUE)
    keys.write([keys.new()])

    assert "HF_TOKEN was encrypted with another key" in secrets.problem()
    with pytest.raises(KeyUnusable):
        secret_values(["HF_TOKEN"])

    keep_secret("HF_TOKEN", "a-new-value")
    assert secrets.problem() == ""


def test_an_encrypted_value_belongs_to_its_name():
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("API_KEY", "engine-key")
    token = Secret.objects.get(name="HF_TOKEN").encrypted
    Secret.objects.filter(name="API_KEY").update(encrypted=token)

    with pytest.raises(KeyUnusable):
        secret_values(["API_KEY"])


@pytest.mark.postgresql
def test_a_rotation_encrypts_all_with_a_new_key_and_removes_the_old_one(settings):
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("API_KEY", "engine-key")
    old, stored = keys.load(), list(Secret.objects.values_list("encrypted", flat=True))

    assert secrets.rotate() == 2

    assert secret_values(["HF_TOKEN", "API_KEY"]) == {"HF_TOKEN": VALUE, "API_KEY": "engine-key"}
    assert not set(old) & set(keys.load())
    assert not set(stored) & set(Secret.objects.values_list("encrypted", flat=True))
    assert stat.S_IMODE(key_file(settings.DATA_DIR).stat().st_mode) == 0o600


def test_a_rotation_may_use_a_key_that_the_file_has():
    keep_secret("HF_TOKEN", VALUE)
    old, new = keys.load(), keys.new()
    keys.write([new, *old])

    secrets.rotate(with_new_key=False)

    assert keys.load() == [new, *old]
    keys.write([new])
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_rotation_with_a_wrong_key_changes_nothing():
    keep_secret("HF_TOKEN", VALUE)
    right, wrong = keys.load(), [keys.new()]
    keys.write(wrong)

    with pytest.raises(KeyUnusable):
        secrets.rotate()

    assert keys.load() == wrong
    keys.write(right)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_crash_in_the_middle_of_a_rotation_loses_no_key(monkeypatch):
    keep_secret("HF_TOKEN", VALUE)
    written = []

    def crash(found):
        written.append(list(found))
        raise KeyboardInterrupt

    whole = keys.write
    monkeypatch.setattr(keys, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        secrets.rotate()
    whole(written[0])

    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_new_value_takes_the_place_of_the_old_one_until_it_is_forgotten():
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("HF_TOKEN", "hf_9876543210")
    assert secrets.names() == ["HF_TOKEN"]
    assert secret_values(["HF_TOKEN", "OTHER"]) == {"HF_TOKEN": "hf_9876543210"}

    assert secrets.forget("HF_TOKEN") is True
    assert secrets.forget("HF_TOKEN") is False
    assert secrets.names() == []


def test_rules_change_without_the_value():
    keep_secret("HF_TOKEN", VALUE)
    host, person = make_host(), make_user()

    is_new = secrets.keep(
        "HF_TOKEN", None, purpose="engine", hosts=[host], people=[person], endpoints=()
    )

    row = Secret.objects.get()
    assert (is_new, row.purpose, row.endpoints) == (False, "engine", [])
    assert (row.all_hosts, [*row.hosts.all()]) == (False, [host])
    assert (row.everyone, [one.pk for one in row.people.all()]) == (False, [person.pk])
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


@pytest.mark.parametrize("name", ["", "token", "../X", "A/B", "1A", "A" * 65, "A B", "HF_TOKEN\n"])
def test_a_name_that_is_no_variable_is_refused(name):
    with refused_at("name"):
        keep_secret(name, VALUE)

    assert secrets.names() == []


@pytest.mark.parametrize(
    "value", ["", "short", " 0123456789", "01234\n6789", "x" * 4097, "a\0bcdefgh"]
)
def test_a_value_that_cannot_be_redacted_in_a_log_is_refused(value):
    with refused_at("value"):
        keep_secret("HF_TOKEN", value)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"purpose": ""}, "purpose"),
        ({"purpose": "other"}, "purpose"),
        ({"endpoints": ()}, "endpoints"),
        ({"purpose": "registry", "endpoints": ()}, "endpoints"),
        ({"endpoints": ("huggingface.co",)}, "endpoints"),
        ({"endpoints": ("ftp://huggingface.co",)}, "endpoints"),
        ({"endpoints": ("https://me:pw@huggingface.co",)}, "endpoints"),
        ({"endpoints": ("https://huggingface.co/?a=1",)}, "endpoints"),
        ({"endpoints": ("https://huggingface.co/a/../b",)}, "endpoints"),
        ({"endpoints": ("https://h.example/" + "a" * 200,)}, "endpoints"),
        ({"endpoints": [f"https://h.example/{n}" for n in range(21)]}, "endpoints"),
        ({"hosts": []}, "hosts"),
        ({"people": []}, "people"),
    ],
)
def test_a_rule_that_permits_all_or_nothing_by_mistake_is_refused(rules, field):
    with refused_at(field):
        keep_secret("HF_TOKEN", VALUE, **rules)

    assert secrets.names() == []
