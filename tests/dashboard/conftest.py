"""Fixtures of several tests of the intake."""

import pytest

from jobs.kinds import KINDS
from tests.dashboard.lib.host_caller import Caller, FakeKind
from tests.factories import make_host


@pytest.fixture
def caller():
    return Caller(make_host("this-computer"))


@pytest.fixture
def kind(monkeypatch):
    fake = FakeKind()
    monkeypatch.setitem(KINDS, "fake", fake)
    return fake
