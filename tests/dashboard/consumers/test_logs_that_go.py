"""Readers of a log get an error when the log is damaged or removed."""

import asyncio

import pytest
from django.core.management import CommandError, call_command

from dashboard.api import logs
from dashboard.management import base
from dashboard.server import downloads
from jobs import logstore
from jobs.base.errors import LogRemoved
from tests.factories import make_user
from tests.kept import DAY, LOG, ended

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def lin(client):
    user = make_user()
    client.force_login(user)
    return user


def test_the_command_log_says_what_is_damaged():
    job = ended(DAY)
    path = logstore.store().path(f"job/{job.pk}")
    path.unlink()
    path.with_suffix(".log.zst").write_bytes(b"no packed log at all")

    with pytest.raises(CommandError, match="is damaged"):
        call_command("log", str(job.pk))


def test_following_a_removed_log_in_a_terminal_is_an_error(monkeypatch):
    job = ended(DAY)
    follows = base.follow(job.pk, None)
    monkeypatch.setattr(base, "CHUNK_BYTES", 2)
    assert next(follows) == LOG[:2]
    logstore.store().remove(f"job/{job.pk}")

    with pytest.raises(CommandError, match="was removed during reading"):
        next(follows)


@pytest.mark.parametrize("plain", ["", "?plain=1"])
def test_a_download_breaks_off_where_its_log_is_removed(client, lin, monkeypatch, plain):
    for module in (logs, downloads):
        monkeypatch.setattr(module, "PIECE_BYTES", 1)
    job = ended(DAY)
    answer = client.get(f"/api/v1/jobs/{job.pk}/log{plain}")
    logstore.store().remove(f"job/{job.pk}")

    async def taken():
        return [piece async for piece in answer]

    with pytest.raises(LogRemoved):
        asyncio.run(taken())


def test_the_log_command_fails_when_its_log_is_removed(monkeypatch, capsysbinary):
    job = ended(DAY)
    read = logstore.LogStore.read

    def removed_then(self, key, start, end):
        piece = read(self, key, start, min(end, start + 2))
        self.remove(key)
        return piece

    monkeypatch.setattr(logstore.LogStore, "read", removed_then)

    with pytest.raises(CommandError, match="was removed during reading"):
        call_command("log", str(job.pk), "--raw")
    assert capsysbinary.readouterr().out == LOG[:2]
