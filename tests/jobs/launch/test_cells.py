"""Cells of a matrix: limits with reasons, and the order of their runs."""

from jobs.catalog.presets import WORKLOADS
from jobs.launch.matrix_spec import Limits, cells_of, runs_of

VENDOR = WORKLOADS["vendor"]


def vendor_cells(**limits):
    own = {"max_input": VENDOR.limits.max_input, "total_tokens": VENDOR.limits.total_tokens}
    axes = (VENDOR.input_tokens, VENDOR.output_tokens, VENDOR.concurrency)
    return cells_of(*axes, Limits(**{**own, **limits}))


def open_lengths(cells, concurrency, output):
    return [
        cell.input_tokens
        for cell in cells
        if (cell.concurrency, cell.output_tokens, cell.skip) == (concurrency, output, None)
    ]


def reasons(cells):
    return {(cell.input_tokens, cell.concurrency): cell.skip.id for cell in cells if cell.skip}


def test_of_the_vendor_s_66_cells_50_run_and_16_are_skipped():
    cells = vendor_cells()

    assert len(cells) == 66
    assert sum(cell.skip is None for cell in cells) == 50
    assert sum(cell.skip is not None for cell in cells) == 16


def test_the_vendor_s_cells_are_those_of_its_script():
    cells = vendor_cells()

    assert open_lengths(cells, 1, 1024)[-1] == open_lengths(cells, 1, 8192)[-1] == 54272
    assert open_lengths(cells, 2, 1024)[-1] == open_lengths(cells, 2, 8192)[-1] == 16384
    # 8192 + 8192 is just what one of four requests may take.
    assert open_lengths(cells, 4, 1024)[-1] == open_lengths(cells, 4, 8192)[-1] == 8192


def test_a_shorter_deployment_skips_more_of_the_vendor_s_cells():
    cells = vendor_cells(max_total=32768)

    assert sum(cell.skip is None for cell in cells) == 8 + 8 + 8 + 8 + 7 + 7


def test_each_skipped_cell_names_the_limit_that_stops_it():
    cells = cells_of(
        (100, 300, 500, 900),
        (100,),
        (1, 4, 8),
        Limits(max_input=800, max_total=500, max_concurrency=4, total_tokens=1000),
    )

    assert reasons(cells) == {
        (100, 8): "matrix:max_concurrency",
        (300, 4): "matrix:total_tokens",
        (300, 8): "matrix:max_concurrency",
        (500, 1): "matrix:max_total",
        (500, 4): "matrix:max_total",
        (500, 8): "matrix:max_concurrency",
        (900, 1): "matrix:max_input",
        (900, 4): "matrix:max_input",
        (900, 8): "matrix:max_concurrency",
    }


def test_the_context_of_the_model_is_a_limit():
    (cell,) = cells_of((4000,), (100,), (1,), Limits(context=4096))
    (fits,) = cells_of((3996,), (100,), (1,), Limits(context=4096))

    assert (cell.skip.id, cell.skip.args) == ("matrix:context", {"asked": 4100, "most": 4096})
    assert fits.skip is None


def test_prompts_of_their_own_length_have_no_length_limit():
    cells = cells_of((None,), (64,), (1, 8), Limits(max_input=8, max_total=16, max_concurrency=4))

    assert [cell.skip.id if cell.skip else "" for cell in cells] == ["", "matrix:max_concurrency"]


def places(runs):
    return [(run.cell.row, run.cell.concurrency, run.repeat) for run in runs]


TABLE = cells_of((10, 20), (5,), (1, 2, 4), Limits())


def test_runs_are_in_the_order_of_the_table_repeat_by_repeat():
    assert places(runs_of(TABLE, 2))[:4] == [(0, 1, 1), (0, 2, 1), (0, 4, 1), (1, 1, 1)]
    assert places(runs_of(TABLE, 2))[6:] == [(r, c, 2) for r, c, _ in places(runs_of(TABLE, 1))]


def test_skipped_cells_have_no_run():
    cells = cells_of((10, 900), (5,), (1,), Limits(max_input=100))

    assert places(runs_of(cells, 2)) == [(0, 1, 1), (0, 1, 2)]


def test_a_shuffled_repeat_has_every_cell_once():
    runs = runs_of(TABLE, 3, shuffled=True, seed=7)

    for repeat in (1, 2, 3):
        block = runs[6 * (repeat - 1) : 6 * repeat]
        assert {run.repeat for run in block} == {repeat}
        assert {run.cell for run in block} == set(TABLE)


def test_the_seed_gives_the_order_again():
    first, same, other = (places(runs_of(TABLE, 3, shuffled=True, seed=seed)) for seed in (7, 7, 8))

    assert first == same != other
    assert first != places(runs_of(TABLE, 3))


def test_concurrency_rises_in_a_row_that_may_end_early():
    runs = runs_of(TABLE, 4, shuffled=True, seed=3, stops_early=True)

    for start in range(0, len(runs), 3):
        block = runs[start : start + 3]
        assert len({run.cell.row for run in block}) == 1
        assert [run.cell.concurrency for run in block] == [1, 2, 4]
    assert [run.cell.row for run in runs[::3]] != [0, 1] * 4


def test_a_warm_up_is_the_first_run_once_more():
    plain, warm = runs_of(TABLE, 2), runs_of(TABLE, 2, warm_up=True)

    assert places(warm) == [(0, 1, 0), *places(plain)]
