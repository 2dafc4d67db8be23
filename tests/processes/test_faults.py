"""The short form of the matrix of faults (``make faults``): each case hits real processes."""

import pytest

from tests.faults.cases import CASES
from tests.faults.middles import Middle
from tests.faults.trial import Trial
from tests.faults.world import World

pytestmark = [pytest.mark.processes, pytest.mark.simulated]

SHORT = [case for case in CASES if case.is_short]


@pytest.fixture(scope="module")
def trial(tmp_path_factory):
    """A dashboard on SQLite and a simulated host that is ready for the cases."""
    world = World(tmp_path_factory.mktemp("faults") / "w", with_postgres=False, small_disks=False)
    try:
        middle = Middle(world)
        middle.prepare({case.kind for case in SHORT})
        yield Trial(world, middle, stopped_s=5)
    finally:
        world.close()


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_nothing_is_lost_run_twice_or_left_behind(trial, case):
    row = trial.run(case)

    assert row.wrong == []
    assert row.host == row.dashboard
    assert len(row.pages) == 3
