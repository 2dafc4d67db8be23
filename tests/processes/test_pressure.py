"""The short form of ``make pressure``: a process that keeps a log in memory breaks its bound."""

import pytest

from dashboard.server.downloads import MOST_OF_A_PERSON
from tests.pressure import scene
from tests.pressure.__main__ import SHORT_LOG_GB, under_pressure
from tests.pressure.cases import CASES, OF_A_PERSON

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def stack():
    """A dashboard of its own: what waits in its line stays there."""
    with under_pressure() as started:
        yield started


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.is_short], ids=lambda case: case.name
)
def test_memory_is_bounded_the_rest_goes_on_and_nothing_is_lost(stack, case):
    row = scene.run(stack, case.name, case.run, log_gb=SHORT_LOG_GB, short=True)

    assert row.wrong == []
    assert {"web server", "agent"} <= row.peaks.keys()


def test_the_case_of_downloads_knows_the_limit_of_a_person():
    assert MOST_OF_A_PERSON == OF_A_PERSON
