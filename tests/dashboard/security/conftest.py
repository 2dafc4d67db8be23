"""Fixtures of several tests: a host with cards, an administrator, a member and their browser."""

import pytest

from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_host, make_user


@pytest.fixture
def host(db):
    return make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS), slots=8)


@pytest.fixture
def ada(db):
    return make_user("ada", is_staff=True)


@pytest.fixture
def eve(db):
    """A member."""
    return make_user("eve")


@pytest.fixture
def page(client, eve):
    client.force_login(eve)
    return client
