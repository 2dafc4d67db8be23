"""A job that its host has claimed."""

import pytest

from tests.dashboard.lib.host_caller import taken_job


@pytest.fixture
def job(caller):
    return taken_job(caller)
