"""Workers of confined tasks, as processes."""

import json
import threading
from itertools import repeat

import pytest

from jobs import confined
from jobs.base import bounds
from jobs.base.errors import LaunchError, OffsetMismatch
from jobs.base.numbers import MB
from jobs.confined import ASKER_LEFT, Busy, Exceeded, Failed, Pool, Task, WorkerLimits
from jobs.metrics.measured import MOST_REQUESTS
from jobs.services.intake.verdicts import READERS
from tests.waiting import PATIENCE_S, until

HELPERS = "tests.jobs.confined.helpers"
LIMITS = WorkerLimits(memory=200 * MB, answer=MB, cpu_s=1, wall_s=10, files=64)


@pytest.fixture(autouse=True)
def confined_here(monkeypatch):
    """Leave the pool as it is: tasks run in workers here."""
    monkeypatch.setattr(confined, "PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def pool():
    """One worker for the tests of this file."""
    return Pool(LIMITS, 1)


def task(pool, name, answer=int):
    return Task(f"{HELPERS}:{name}", answer, pool)


def test_a_task_answers_from_another_process_that_stays(pool):
    number = task(pool, "number_of_process")

    assert task(pool, "double")(21) == 42
    assert number() == number()


@pytest.mark.parametrize(
    ("name", "reason"),
    [("eat_memory", "memory"), ("eat_processor", "time"), ("say_much", "answer")],
)
def test_what_exceeds_a_limit_is_named_and_the_next_task_is_served(pool, name, reason):
    with pytest.raises(Exceeded) as raised:
        task(pool, name, str)()

    assert raised.value.reason == reason
    assert raised.value.message.id == f"confined:{reason}"
    assert task(pool, "double")(1) == 2


def test_a_task_whose_worker_is_killed_is_run_three_times_in_all(pool, tmp_path):
    assert task(pool, "die")(str(tmp_path / "twice"), 2) == 3
    with pytest.raises(Exceeded) as raised:
        task(pool, "die")(str(tmp_path / "always"))

    assert raised.value.message.id == "confined:ended"
    assert (tmp_path / "always").stat().st_size == 3
    assert task(pool, "double")(1) == 2


def test_a_worker_that_has_kept_much_memory_is_replaced(pool):
    keep, number = task(pool, "keep_memory"), task(pool, "number_of_process")
    few = keep(bounds.IDLE_READER_BYTES // 4)

    assert few == number()
    assert keep(bounds.IDLE_READER_BYTES) == few != number()


@pytest.mark.parametrize("ends", [True, False])
def test_a_search_ends_when_nobody_waits_for_it(tmp_path, ends):
    limits = WorkerLimits(memory=200 * MB, answer=MB, cpu_s=1, wall_s=PATIENCE_S if ends else 1.0)
    pool = Pool(limits, 1, ends_with_asker=ends)
    left, ended = threading.Event(), []

    def ask():
        ASKER_LEFT.set(left)
        try:
            task(pool, "sleep_after")(str(tmp_path / "begun"))
        except (Busy, Exceeded) as error:
            ended.append(type(error))

    thread = threading.Thread(target=ask)
    thread.start()
    until((tmp_path / "begun").exists)
    left.set()
    thread.join(PATIENCE_S)

    assert ended == [Busy if ends else Exceeded]


def test_a_task_that_only_waits_ends_too():
    pool = Pool(WorkerLimits(memory=200 * MB, answer=MB, cpu_s=1, wall_s=0.5), 1)

    with pytest.raises(Exceeded, match="time"):
        task(pool, "sleep")()


def test_a_task_has_few_files_open(pool):
    with pytest.raises(Failed, match="OSError"):
        task(pool, "open_many")()


def test_errors_of_a_task_are_raised_as_they_are(pool):
    with pytest.raises(OffsetMismatch) as mismatch:
        task(pool, "refuse")(7)
    with pytest.raises(LaunchError) as refused:
        task(pool, "refuse_field")("Too many")
    with pytest.raises(Failed, match="ZeroDivisionError"):
        task(pool, "go_wrong")()

    assert mismatch.value.size == 7
    assert str(refused.value) == "Too many"
    assert (refused.value.field, refused.value.fields) == ("files", {"files": "Too many"})


def test_tasks_of_several_threads_share_the_workers():
    pool = Pool(LIMITS, 2)
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(task(pool, "double")(n))) for n in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(found) == [2 * n for n in range(8)]


def test_an_answer_of_another_type_is_no_answer(pool):
    with pytest.raises(Failed, match="infinite"):
        task(pool, "infinite", float)()


def test_the_largest_honest_report_is_read_within_the_limits(tmp_path):
    """10,000 requests of 1,024 tokens, with the time of each token: 264 MB."""
    report = tmp_path / "result.json"
    columns = {
        **{"input_lens": 1024, "output_lens": 1024, "ttfts": 0.17747043999997913},
        **{"itls": [0.0170796432146873] * 1023, "latencies": 17.63, "errors": ""},
        "generated_texts": "word" * 1024,
    }
    totals = dict.fromkeys(("num_prompts", "completed"), MOST_REQUESTS)
    totals |= dict.fromkeys(("total_input_tokens", "total_output_tokens"), 1024 * MOST_REQUESTS)
    rates = {"request_throughput": 2.0, "output_throughput": 2048.0, "duration": 5000.0}
    rest = {**totals, **rates, "total_token_throughput": 4096.0, "failed": 0, "max_concurrency": 8}
    with report.open("w") as file:
        file.write(json.dumps(rest)[:-1])
        for name, value in columns.items():
            each = json.dumps(value)
            file.write(f', "{name}": [{each}')
            file.writelines(repeat(f", {each}", MOST_REQUESTS - 1))
            file.write("]")
        file.write("}")

    pool = Pool(READERS.limits, 1)

    assert task(pool, "read_benchmark")(str(report)) == MOST_REQUESTS
