"""Fixtures of launch forms: a host with cards, and what is on it."""

import pytest

from tests.factories import make_guide_deployment, make_guide_host, make_guide_weights


@pytest.fixture
def host():
    return make_guide_host()


@pytest.fixture
def weights(host):
    return make_guide_weights(host=host)


@pytest.fixture
def served(host):
    return make_guide_deployment(host)
