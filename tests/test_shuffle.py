"""Random order of the tests: ``--shuffle=SEED``."""

from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import _shuffled

ROOT = Path("/p")
FILES = ("tests/a/test_one.py", "tests/a/test_two.py", "tests/b/c/test_three.py", "tests/test_4.py")
SEEDS = [str(number) for number in range(20)]


def item(file, number):
    is_ordered = file == FILES[1]
    return SimpleNamespace(
        path=ROOT / file,
        nodeid=f"{file}::test_{number}",
        get_closest_marker=lambda name: is_ordered if name == "in_order" and is_ordered else None,
    )


ITEMS = [item(file, number) for file in FILES for number in range(5)]


def shuffled(seed):
    return [one.nodeid.split("::") for one in _shuffled(ITEMS, seed, ROOT)]


def test_a_seed_is_one_order_and_another_seed_another():
    orders = [shuffled(seed) for seed in SEEDS]

    assert shuffled("3") == orders[3]
    assert len({str(order) for order in orders}) == len(SEEDS)
    assert {order[0][0] for order in orders} == set(FILES)


@pytest.mark.parametrize("seed", SEEDS)
def test_files_and_folders_stay_whole_and_a_file_in_order_keeps_it(seed):
    order = shuffled(seed)

    assert sorted(map(tuple, order)) == sorted(tuple(one.nodeid.split("::")) for one in ITEMS)
    assert [file for file, _ in groupby(file for file, _name in order)] == list(
        dict.fromkeys(file for file, _name in order)
    )
    folders = [Path(file).parent for file, _name in order]
    assert [folder for folder, _ in groupby(folders)] == list(dict.fromkeys(folders))
    names = [name for file, name in order if file == FILES[1]]
    assert names == [f"test_{number}" for number in range(5)]
