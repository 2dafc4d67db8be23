"""Fixtures of the tests of comparisons."""

import pytest

from tests.comparing import pages
from tests.measuring import make_measuring_host


@pytest.fixture
def host():
    return make_measuring_host()


@pytest.fixture
def page(client):
    return pages(client)
