"""Fixtures of several tests: a host, a kind, a member's client, the id of a pipeline."""

import uuid

import pytest

from jobs import readings
from jobs.kinds import KINDS
from tests.dashboard.lib.host_caller import Caller, FakeKind
from tests.factories import make_host, make_user


@pytest.fixture
def caller():
    return Caller(make_host("this-computer"))


@pytest.fixture
def kind(monkeypatch):
    fake = FakeKind()
    monkeypatch.setitem(KINDS, "fake", fake)
    monkeypatch.setattr(readings, "fake", fake.read, raising=False)
    return fake


@pytest.fixture
def chain():
    """The id of a pipeline without jobs."""
    return uuid.uuid4()


@pytest.fixture
def browser(client):
    """A client in which a member is logged in."""
    client.force_login(make_user())
    return client
