"""Callers of the API."""

import pytest

from tests.dashboard.lib.caller import Caller
from tests.factories import make_user


@pytest.fixture
def api():
    return Caller(make_user("ada"))


@pytest.fixture
def lin():
    return Caller(make_user("lin"))


@pytest.fixture
def admin():
    return Caller(make_user("root", is_staff=True))
