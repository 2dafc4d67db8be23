"""The host of several tests."""

import pytest

from tests.factories import make_host


@pytest.fixture
def host(db):
    """A host with eight dies and room for nine jobs."""
    return make_host(slots=9, facts={"dies": [{"id": number} for number in range(8)]})
