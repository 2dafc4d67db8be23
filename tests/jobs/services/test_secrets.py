"""Secrets are stored in separate files, by name, and given only to jobs."""

import stat

import pytest

from jobs.errors import LaunchError
from jobs.services import secrets


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def test_a_secret_is_kept_in_a_file_that_only_this_user_reads(tmp_path):
    secrets.keep("HF_TOKEN", "hf_0123456789")

    path = tmp_path / "secrets" / "jobs" / "HF_TOKEN"
    assert path.read_text() == "hf_0123456789"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_new_value_takes_the_place_of_the_old_one():
    secrets.keep("HF_TOKEN", "hf_0123456789")
    secrets.keep("HF_TOKEN", "hf_9876543210")

    assert secrets.names() == ["HF_TOKEN"]
    assert secrets.values(["HF_TOKEN", "OTHER"]) == {"HF_TOKEN": "hf_9876543210"}


def test_a_forgotten_secret_is_gone():
    secrets.keep("HF_TOKEN", "hf_0123456789")

    assert secrets.forget("HF_TOKEN") is True
    assert secrets.forget("HF_TOKEN") is False
    assert secrets.names() == []


@pytest.mark.parametrize("name", ["", "token", "../X", "A/B", "1A", "A" * 65, "A B"])
def test_a_name_that_is_no_variable_is_refused(name):
    with pytest.raises(LaunchError) as caught:
        secrets.keep(name, "hf_0123456789")

    assert caught.value.field == "name"
    assert secrets.names() == []


@pytest.mark.parametrize(
    "value", ["", "short", " 0123456789", "01234\n6789", "x" * 4097, "a\0bcdefgh"]
)
def test_a_value_that_cannot_be_redacted_in_a_log_is_refused(value):
    with pytest.raises(LaunchError) as caught:
        secrets.keep("HF_TOKEN", value)

    assert caught.value.field == "value"
