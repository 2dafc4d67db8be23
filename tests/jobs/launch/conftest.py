"""The host of several tests."""

import pytest

from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_host


@pytest.fixture
def host(db):
    """A host with cards."""
    return make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS), slots=8)
