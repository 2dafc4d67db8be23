"""Fixtures of several tests of pages: people who are logged in, and comparisons."""

import pytest

from tests.comparing import pages
from tests.factories import make_user
from tests.measuring import make_measuring_host


@pytest.fixture
def lin(client):
    """A member, logged in."""
    user = make_user("lin")
    client.force_login(user)
    return user


@pytest.fixture
def member(client, lin):
    """The client of a member."""
    return client


@pytest.fixture
def ada(client):
    """An administrator, logged in."""
    user = make_user("ada", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def admin(client, ada):
    """The client of an administrator."""
    return client


@pytest.fixture
def host():
    return make_measuring_host()


@pytest.fixture
def page(client):
    return pages(client)
