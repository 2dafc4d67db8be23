"""Launch, resume, repeat and cancel of a matrix: a job for each run of a cell."""

import json

import pytest

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog.presets import WORKLOADS
from jobs.launch import launch
from jobs.launch.launch import InvalidParams
from jobs.launch.matrices import (
    CellLimits,
    MatrixSpec,
    cancel_matrix,
    cells_of,
    launch_matrix,
    preview_matrix,
    recover_lost,
    repeat_cell,
    resume_matrix,
    runs_of,
)
from jobs.models import Job, Matrix
from jobs.queries.matrices import matrices, matrix_page
from jobs.schedule import dispatch, lifecycle
from jobs.services.outcomes import stored_results
from jobs.services.outcomes.stored_results import only_queues
from tests.factories import make_deployment, make_job, make_measured, make_user, stored

SERVED = {
    "engine": "vllm",
    "stack": "guide",
    "container": "vllm-{deployment.id}",
    "tokenizer": "/test/weights/DeepSeek-R1",
    "tp": 32,
    "max_input": 57344,
    "max_total": 65536,
}


@pytest.fixture
def served(host):
    deployment = make_deployment(
        job=make_job(state="succeeded", host=host, kind="deploy-vllm"),
        model_id="deepseek-r1",
        details=SERVED,
    )
    return str(deployment.pk)


@pytest.fixture
def spec(served):
    def make(**fields):
        params = {"deployment": served, "dataset": "random", "prefix_tokens": "0"}
        return MatrixSpec(
            **{
                "kind": "benchmark-online",
                "params": {**params, "exclusive": True},
                "input_tokens": (128, 256),
                "output_tokens": (64,),
                "concurrency": (1, 2, 4),
                "requests": 5,
                **fields,
            }
        )

    return make


@pytest.fixture
def launched_by(host):
    """A function that launches a single job of a person."""
    wanted = {"what": "weights"}
    return lambda person: launch.launch("prepare", wanted, host=host, user=person)


def in_queue():
    return list(Job.objects.filter(state="queued").order_by(*Job.QUEUE_ORDER))


@pytest.fixture
def matrix(host, spec):
    """A matrix of six cells."""
    return launch_matrix(spec(), host=host, user=make_user())


def vendor(spec):
    preset = WORKLOADS["vendor"]
    axes = {name: getattr(preset, name) for name in ("input_tokens", "output_tokens")}
    return spec(workload="vendor", concurrency=preset.concurrency, **axes)


def jobs_of(matrix):
    return [cell.job for cell in matrix.cells.filter(skip_id="").order_by("place")]


def end(job, state="succeeded", rate=50.0, **metrics):
    lifecycle.finish_job(job.pk, state, message=Message("done"), duration_s=10.0)
    if state == "succeeded":
        (concurrency,) = job.params["concurrency"]
        job.refresh_from_db()
        point = {"output_tokens_per_s": rate, **metrics}
        make_measured(job=job, points=[(concurrency, point)], host=job.host)
        stored_results.end_matrix_row(job.pk)


def states(matrix):
    return {state: number for state, number in matrix_page(matrix.pk).counts.items() if number}


def test_the_vendor_s_matrix_queues_50_jobs_and_a_colleague_s_starts_third(host, spec, launched_by):
    matrix = launch_matrix(vendor(spec), host=host, user=make_user())
    runs = jobs_of(matrix)

    assert matrix.cells.count() == 66
    assert len(runs) == Job.objects.filter(state="queued").count() == 50
    assert states(matrix) == {"queued": 50, "skipped": 16}
    Job.objects.filter(pk=runs[0].pk).update(state="running")
    theirs = launched_by(make_user())
    assert in_queue()[:3] == [runs[1], theirs, runs[2]]


def test_each_job_is_the_one_that_a_form_would_launch(matrix, host, spec):
    cell = matrix.cells.get(input_tokens=256, concurrency=4)

    raw = {"deployment": spec().params["deployment"], "dataset": "random", "prefix_tokens": 0}
    raw |= {"input_tokens": 256, "output_tokens": 64, "concurrency": [4], "requests": 20}
    alone = launch.preview("benchmark-online", {**raw, "exclusive": True}, host)

    assert cell.job.plan_sha256 == alone.plan.sha256()
    assert cell.job.params == alone.params.model_dump(mode="json")
    assert cell.job.guide == json.loads(json.dumps(alone.guide))
    assert cell.job.exclusive


def test_seeds_of_all_runs_are_fresh(host, spec):
    matrix = launch_matrix(spec(repeats=2), host=host, user=make_user())

    plans = {job.plan_sha256 for job in jobs_of(matrix)}
    words = [step["argv"] for step in jobs_of(matrix)[0].plan["steps"] if "--seed" in step["argv"]]
    assert len(plans) == 6  # one a cell: the job's number is a slot
    assert words[0][words[0].index("--seed") + 1] == "{job}01"


@pytest.mark.postgresql
def test_jobs_wait_in_the_order_of_their_runs(host, spec):
    matrix = launch_matrix(spec(shuffled=True, order_seed=5, repeats=2), host=host, user=None)
    planned = preview_matrix(spec(shuffled=True, order_seed=5, repeats=2), host)

    assert in_queue() == jobs_of(matrix)
    assert [(run.cell.input_tokens, run.cell.concurrency, run.repeat) for run in planned.runs] == [
        (c.input_tokens, c.concurrency, c.repeat) for c in matrix.cells.order_by("place")
    ]


def test_a_person_s_matrix_and_single_jobs_take_turns(host, spec, launched_by):
    person = make_user()
    runs = jobs_of(launch_matrix(vendor(spec), host=host, user=person))
    end(runs[0], "lost")

    single = launched_by(person)
    recover_lost()

    again = Job.objects.get(repeats=runs[0])
    assert in_queue()[:3] == [runs[1], single, runs[2]]
    assert in_queue()[-1] == again


def test_killed_at_20_it_goes_on_at_21_and_runs_20_again(host, spec):
    matrix = launch_matrix(vendor(spec), host=host, user=make_user())
    jobs = jobs_of(matrix)
    for job in jobs[:19]:
        end(job)
    end(jobs[19], "lost")

    assert states(matrix) == {"done": 19, "queued": 30, "lost": 1, "skipped": 16}
    assert in_queue()[0] == jobs[20]

    assert recover_lost() == 1

    again = jobs_of(matrix)[19]
    assert (again.repeats, again.plan, again.state) == (jobs[19], jobs[19].plan, "queued")
    assert states(matrix) == {"done": 19, "queued": 31, "skipped": 16}
    assert recover_lost() == 0


def test_a_cell_that_is_lost_twice_waits_for_a_person(matrix):
    end(jobs_of(matrix)[0], "lost")
    recover_lost()
    end(jobs_of(matrix)[0], "lost")

    assert recover_lost() == 0
    assert matrix_page(matrix.pk).to_resume == 1


def test_a_failed_cell_is_not_a_failed_matrix(matrix):
    end(jobs_of(matrix)[0], "failed")

    assert states(matrix) == {"queued": 5, "failed": 1}
    assert matrix_page(matrix.pk).state == "queued"
    for job in jobs_of(matrix)[1:]:
        end(job)
    assert states(matrix) == {"done": 5, "failed": 1}


def test_a_resumed_matrix_runs_only_what_has_no_result(matrix):
    jobs = jobs_of(matrix)
    end(jobs[0])
    end(jobs[1], "failed")
    cancel_matrix(matrix, make_user())
    assert states(matrix) == {"done": 1, "failed": 1, "cancelled": 4}
    assert recover_lost() == 0

    made = resume_matrix(matrix, make_user())

    assert [job.repeats for job in made] == jobs[1:]
    assert jobs_of(matrix) == [jobs[0], *made]
    with pytest.raises(LaunchError, match="No cell failed"):
        resume_matrix(matrix, make_user())


def test_a_resume_needs_the_deployment(matrix, host):
    end(jobs_of(matrix)[0], "failed")
    host.deployments.update(state="stopped")

    with pytest.raises(LaunchError, match="is not running"):
        resume_matrix(matrix, make_user())

    assert Job.objects.filter(repeats__isnull=False).count() == 0


@pytest.mark.postgresql
def test_one_measured_cell_gets_more_runs(matrix):
    end(jobs_of(matrix)[0], rate=50.0)
    cell = matrix.cells.get(row=0, column=0)

    made = repeat_cell(cell, make_user(), count=3)
    for job, rate in zip(made, (52.0, 54.0, 56.0), strict=True):
        end(job, rate=rate)

    (shown, *_others) = matrix_page(matrix.pk).cells
    assert [run.cell.repeat for run in shown.runs] == [1, 2, 3, 4]
    assert shown.value == 53.0
    assert shown.interval.low < 53 < shown.interval.high


def test_one_failed_cell_is_run_again_alone(matrix):
    end(jobs_of(matrix)[2], "failed")
    cell = matrix.cells.get(row=0, column=2)

    (job,) = repeat_cell(cell, make_user(), count=3)

    assert stored(cell, "job") == job
    assert matrix.cells.count() == 6
    with pytest.raises(LaunchError, match="still queued or running"):
        repeat_cell(cell, make_user())


def test_a_skipped_cell_is_not_run(host, spec):
    matrix = launch_matrix(spec(concurrency=(1, 8)), host=host, user=make_user())

    with pytest.raises(LaunchError, match="skipped"):
        repeat_cell(matrix.cells.get(row=0, concurrency=8), make_user())


@pytest.mark.parametrize("is_wished", [True, False])
def test_a_row_ends_where_more_load_only_queues_if_that_was_wished(host, spec, is_wished):
    wanted = spec(stops_early=is_wished, repeats=2)
    matrix = launch_matrix(wanted, host=host, user=make_user())
    one, two = jobs_of(matrix)[:2]

    end(one, rate=50.0, latency_mean_s=1.0)
    end(two, rate=50.5, latency_mean_s=2.0)

    page = matrix_page(matrix.pk)
    four = page.rows[0].cells[2]
    assert page.rows[1].cells[2].state == "queued"  # of another row
    assert page.to_resume == 0
    if is_wished:
        assert (four.state, four.skip.id) == ("skipped", "matrix:only_queues")
        assert {run.job.state for run in four.runs} == {"cancelled"}
    else:
        assert four.state == "queued"


def test_drift_compares_the_first_and_last_third_of_the_runs(host, spec):
    matrix = launch_matrix(
        spec(input_tokens=(128,), concurrency=(4,), repeats=9), host=host, user=make_user()
    )
    for job, rate in zip(jobs_of(matrix), (90, 91, 90, 80, 80, 80, 60, 61, 60), strict=True):
        end(job, rate=float(rate))

    (cell,) = matrix_page(matrix.pk).cells
    assert cell.drift.value == pytest.approx(-0.332, abs=0.002)
    assert not cell.drift.includes_zero


def test_the_remaining_time_is_learnt_from_past_cells(matrix):
    page = matrix_page(matrix.pk)
    assert (page.left_s, page.unknown) == (None, 6)

    end(jobs_of(matrix)[0])

    page = matrix_page(matrix.pk)
    assert page.left_s > 5 * 10 * 0.9
    assert page.unknown == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "benchmark-latency"}, "kind"),
        ({"workload": "guide"}, "workload"),
        ({"input_tokens": ()}, "input_tokens"),
        ({"output_tokens": (64, 64)}, "output_tokens"),
        ({"concurrency": tuple(range(1, 33)), "output_tokens": (1, 2, 3, 4)}, "concurrency"),
        ({"repeats": 100, "output_tokens": (1, 2)}, "repeats"),
        ({"concurrency": (64,)}, "concurrency"),
        ({"params": {"deployment": "77"}}, "deployment"),
        ({"params": {"deployment": "1", "color": "red"}}, "color"),
    ],
)
def test_a_wrong_matrix_is_refused_at_its_field(host, spec, fields, field):
    with pytest.raises(InvalidParams) as refused:
        launch_matrix(spec(**fields), host=host, user=make_user())

    assert field in refused.value.fields
    assert Matrix.objects.count() == Job.objects.filter(state="queued").count() == 0


def test_the_script_runs_each_run_in_a_folder_of_its_own(host, spec):
    planned = preview_matrix(spec(repeats=2), host)

    assert planned.script.count("JOB=") - planned.script.count('JOB="${JOB') == 12
    assert "# 7: input 128, output 64, concurrency 1, repeat 2" in planned.script
    assert "(cd run-012 && JOB=12 bash -s)" in planned.script


def test_a_cancelled_matrix_starts_nothing_more_and_is_not_a_failed_one(matrix):
    first = jobs_of(matrix)[0]

    assert len(cancel_matrix(matrix, make_user())) == 6

    dispatch.run()
    page = matrix_page(matrix.pk)
    assert (page.state, page.failures, page.to_resume) == ("cancelled", 0, 6)
    assert states(matrix) == {"cancelled": 6}
    assert cancel_matrix(matrix, make_user()) == []
    Job.objects.filter(pk=first.pk).update(state="lost")
    page = matrix_page(matrix.pk)
    assert (page.state, page.failures, page.to_resume) == ("lost", 1, 6)
    assert recover_lost() == 0


def test_the_list_begins_with_the_newest_matrix(host, spec):
    made = [launch_matrix(spec(), host=host, user=make_user()) for _ in range(3)]

    assert list(matrices()) == made[::-1]


def test_a_warm_up_does_not_count(host, spec):
    matrix = launch_matrix(spec(warm_up=True), host=host, user=make_user())
    first, second, *_rest = jobs_of(matrix)
    assert len(jobs_of(matrix)) == 7

    end(first, rate=10.0)
    end(second, rate=50.0)

    cell = matrix_page(matrix.pk).cells[0]
    assert (cell.values, cell.first.job) == ([50.0], second)
    assert stored_results.warm_up_remarks(first.pk) == [Message("matrix:warm_up")]
    assert stored_results.warm_up_remarks(second.pk) == []


VENDOR = WORKLOADS["vendor"]


def vendor_cells(**limits):
    own = {"max_input": VENDOR.limits.max_input, "total_tokens": VENDOR.limits.total_tokens}
    axes = (VENDOR.input_tokens, VENDOR.output_tokens, VENDOR.concurrency)
    return cells_of(*axes, CellLimits(**{**own, **limits}))


def open_lengths(cells, concurrency, output):
    return [
        cell.input_tokens
        for cell in cells
        if (cell.concurrency, cell.output_tokens, cell.skip) == (concurrency, output, None)
    ]


def reasons(cells):
    return {(cell.input_tokens, cell.concurrency): cell.skip.id for cell in cells if cell.skip}


def test_the_vendor_s_cells_are_those_of_its_script():
    cells = vendor_cells()

    assert open_lengths(cells, 1, 1024)[-1] == open_lengths(cells, 1, 8192)[-1] == 54272
    assert open_lengths(cells, 2, 1024)[-1] == open_lengths(cells, 2, 8192)[-1] == 16384
    # 8192 + 8192 is just what one of four requests may take.
    assert open_lengths(cells, 4, 1024)[-1] == open_lengths(cells, 4, 8192)[-1] == 8192
    # A shorter deployment skips more.
    shorter = vendor_cells(max_total=32768)
    assert sum(cell.skip is None for cell in shorter) == 8 + 8 + 8 + 8 + 7 + 7


def test_each_skipped_cell_names_the_limit_that_stops_it():
    cells = cells_of(
        (100, 300, 500, 900),
        (100,),
        (1, 4, 8),
        CellLimits(max_input=800, max_total=500, max_concurrency=4, total_tokens=1000),
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
    (cell,) = cells_of((4000,), (100,), (1,), CellLimits(context=4096))
    (fits,) = cells_of((3996,), (100,), (1,), CellLimits(context=4096))

    assert (cell.skip.id, cell.skip.args) == ("matrix:context", {"asked": 4100, "most": 4096})
    assert fits.skip is None


def test_prompts_of_their_own_length_have_no_length_limit():
    cells = cells_of(
        (None,), (64,), (1, 8), CellLimits(max_input=8, max_total=16, max_concurrency=4)
    )

    assert [cell.skip.id if cell.skip else "" for cell in cells] == ["", "matrix:max_concurrency"]


def places(runs):
    return [(run.cell.row, run.cell.concurrency, run.repeat) for run in runs]


TABLE = cells_of((10, 20), (5,), (1, 2, 4), CellLimits())


def test_runs_are_in_the_order_of_the_table_repeat_by_repeat():
    assert places(runs_of(TABLE, 2))[:4] == [(0, 1, 1), (0, 2, 1), (0, 4, 1), (1, 1, 1)]
    assert places(runs_of(TABLE, 2))[6:] == [(r, c, 2) for r, c, _ in places(runs_of(TABLE, 1))]


def test_skipped_cells_have_no_run():
    cells = cells_of((10, 900), (5,), (1,), CellLimits(max_input=100))

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


def point(concurrency, rate, seconds, **more):
    return concurrency, {"output_tokens_per_s": rate, "latency_mean_s": seconds, **more}


@pytest.mark.parametrize(
    ("points", "args"),
    [
        (
            [point(8, 101, 4.0), point(4, 100, 2.0), point(1, 40, 1.0)],
            {"at": 8, "below": 4, "percent": 1},
        ),
        # TTFT counts where no latency is known.
        (
            [
                (4, {"output_tokens_per_s": 9, "ttft_mean_ms": 10}),
                (8, {"output_tokens_per_s": 8, "ttft_mean_ms": 90}),
            ],
            {"at": 8, "below": 4, "percent": -11},
        ),
    ],
)
def test_a_flat_rate_with_longer_latency_only_queues(points, args):
    assert only_queues(points) == Message("matrix:only_queues", args)


@pytest.mark.parametrize(
    "points",
    [
        [point(4, 100, 2.0)],
        [point(4, 100, 2.0), point(8, 104, 4.0)],  # the gain counts
        [point(4, 100, 2.0), point(8, 100, 2.0)],  # the same latency: the client was the limit
        [point(4, 0, 2.0), point(8, 0, 4.0)],  # no rate
        [(4, {"output_tokens_per_s": 100}), (8, {"output_tokens_per_s": 100})],  # no latency
        [(4, {"latency_mean_s": 1}), (8, {"latency_mean_s": 2})],
    ],
)
def test_more_load_may_help(points):
    assert only_queues(points) is None
