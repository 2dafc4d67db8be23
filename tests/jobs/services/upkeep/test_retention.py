"""Removal of logs, files and points by age and size, and the exceptions."""

import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Deployment, Instance, Job, PointBlock, Turn
from jobs.queries import storage
from jobs.queries.chat import ChatEngine
from jobs.schedule import deployments
from jobs.services import chat
from jobs.services.outputs import outputs_folder
from jobs.services.upkeep import retention
from tests.factories import make_deployment, make_job, make_measured, make_user, stored
from tests.kept import DAY, LOG, ended, over

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def limits(settings):
    """Ninety days, no limit of size; tests change them."""
    settings.RETENTION_AGE_S = 90 * 86400
    settings.RETENTION_SIZE_BYTES = None
    return settings


def left(record):
    """Files of a job or a server on disk."""
    word = "job" if isinstance(record, Job) else "deployment"
    return logstore.store().disk_bytes(f"{word}/{record.pk}")


def test_an_old_log_with_files_and_points_goes_and_the_row_keeps_numbers_and_removal():
    result = make_measured(
        points=[(1, {"output_tokens_per_s": 61.9})], job=ended(files=2, points=1)
    )
    job = result.job
    before = Job.objects.values().get(pk=job.pk)

    assert retention.apply_retention() == 1

    assert (left(job), outputs_folder(job.pk).exists()) == (0, False)
    assert not PointBlock.objects.filter(job=job).exists()
    after = Job.objects.values().get(pk=job.pk)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"removed_at", "removed_why", "removed_args", "removed_bytes", "stored_bytes"}
    assert (after["removed_why"], after["removed_args"]) == ("age", {"retention_age_s": 90 * 86400})
    assert after["removed_bytes"] >= len(LOG) + 20 + 20
    assert after["stored_bytes"] == 0
    assert list(job.outputs.values_list("path", "bytes", "received_bytes")) == [
        ("deep/0.json", 10, 10),
        ("deep/1.json", 10, 10),
    ]
    result.refresh_from_db()
    assert (result.metrics, result.points.count()) == ({"output_tokens_per_s": 61.9}, 1)


def test_a_packed_log_that_is_damaged_holds_up_no_removal():
    damaged, young = ended(120 * DAY), ended(100 * DAY)
    path = logstore.store().path(f"job/{damaged.pk}")
    path.unlink()
    path.with_suffix(".log.zst").write_bytes(b"no packed log at all")

    assert retention.apply_retention() == 2

    assert (left(damaged), left(young)) == (0, 0)


@pytest.mark.parametrize(("age_s", "days"), [(90 * 86400, 89), (None, 9000)])
def test_what_is_younger_stays_and_without_a_limit_everything(limits, age_s, days):
    limits.RETENTION_AGE_S = age_s
    job = ended(days * DAY, files=1, points=1)

    assert retention.apply_retention() == 0

    job.refresh_from_db()
    assert (job.removed_at, left(job) > 0, job.point_blocks.count()) == (None, True, 1)


@pytest.mark.postgresql
def test_over_the_size_limit_the_oldest_go_until_it_fits(limits):
    limits.RETENTION_AGE_S = None
    jobs = [ended(age * DAY, log=b"x" * 1000) for age in (3, 5, 4)]
    retention.apply_retention()
    each = Job.objects.get(pk=jobs[0].pk).stored_bytes
    limits.RETENTION_SIZE_BYTES = 2 * each

    assert retention.apply_retention() == 1

    assert [left(job) > 0 for job in jobs] == [True, False, True]
    gone = Job.objects.get(pk=jobs[1].pk)
    assert (gone.removed_why, gone.removed_args) == ("size", {"retention_size_bytes": 2 * each})
    assert retention.apply_retention() == 0


def test_logs_of_what_runs_count_for_the_limit_and_stay(limits):
    limits.RETENTION_AGE_S, limits.RETENTION_SIZE_BYTES = None, 5000
    running = make_job(state=Job.State.RUNNING, log_bytes=4990)
    job = ended(2 * DAY)

    assert retention.apply_retention() == 1

    assert left(job) == 0
    assert stored(running, "removed_at") is None


def test_pinned_and_open_ones_and_those_of_the_last_hour_are_never_touched(limits):
    limits.RETENTION_AGE_S, limits.RETENTION_SIZE_BYTES = 1.0, 1
    pinned, server, fresh = ended(), over(), ended(timedelta(minutes=59))
    for job_id in (pinned.pk, server.job_id):
        retention.pin(job_id, make_user())
    running = make_job(state=Job.State.RUNNING)
    logstore.store().append(f"job/{running.pk}", 0, LOG)

    assert retention.apply_retention() == 0

    assert all(left(one) > 0 for one in (pinned, server, fresh, running))


@pytest.mark.parametrize("state", ["waiting", "loading", "ready", "unhealthy", "stopping"])
def test_a_server_in_use_keeps_its_job_and_log(limits, state):
    limits.RETENTION_SIZE_BYTES = 1
    server = make_deployment(job=ended(), state=state)
    logstore.store().append(f"deployment/{server.pk}", 0, LOG)

    assert retention.apply_retention() == 0

    assert (left(server) > 0, left(server.job) > 0) == (True, True)


@pytest.mark.parametrize("state", ["stopped", "failed", "lost"])
def test_the_log_of_an_ended_server_is_removed_too_until_it_is_started_again(state):
    server = over()
    Deployment.objects.filter(pk=server.pk).update(state=state)

    assert retention.apply_retention() == 2  # it, and its job

    server.refresh_from_db()
    assert (left(server), server.removed_why, server.log_bytes) == (0, "age", len(LOG))
    deployments.restart_deployment(server.pk, None)
    assert stored(server, "removed_at", "removed_why", "removed_bytes") == (None, "", 0)


def asked(user, server, **fields):
    """A turn of 100 days ago, with its stream."""
    conversation = chat.start_conversation(user, "?")
    turn = chat.add_turn(conversation, ChatEngine(server), prompt="?", request={}, params={})
    Turn.objects.filter(pk=turn.pk).update(**{"created_at": now() - 100 * DAY, **fields})
    logstore.store().append(f"turn/{turn.pk}", 0, b"data: {}\n\n")
    return turn


def test_streams_of_chats_go_once_their_rows_say_everything():
    user, server = make_user(), make_deployment()
    made = {}
    for name, fields in {
        "told": {"state": "done", "answer": "yes"},
        "thought": {"state": "stopped", "reasoning": "hm"},
        "untold": {"state": "failed"},
        "running": {"state": "streaming", "answer": "y"},
    }.items():
        made[name] = asked(user, server, **fields)

    assert retention.apply_retention() == 2

    sizes = {name: logstore.store().size(f"turn/{turn.pk}") for name, turn in made.items()}
    assert sizes == {"told": 0, "thought": 0, "untold": 10, "running": 10}
    assert Turn.objects.get(pk=made["told"].pk).answer == "yes"


@pytest.mark.postgresql
def test_a_round_is_claimed_once_within_its_time():
    moment = now()

    assert retention.claim_run(moment)
    assert not retention.claim_run(moment + timedelta(seconds=200))
    assert retention.claim_run(moment + timedelta(seconds=301))
    assert retention.claim_run(moment - DAY)  # the clock was put back


def test_two_rounds_are_as_one_and_a_pin_comes_too_late_after_the_first():
    job = ended(files=1)
    retention.apply_retention()
    first = Job.objects.values().get(pk=job.pk)

    assert retention.apply_retention() == 0
    assert not retention.pin(job.pk, make_user())

    assert Job.objects.values().get(pk=job.pk) == first
    assert first["pinned_at"] is None


@pytest.mark.postgresql
def test_what_a_killed_round_left_is_finished_by_the_next(monkeypatch):
    """Marked, and not one file deleted: the worst moment."""
    job = ended(files=1, points=1)
    monkeypatch.setattr(retention, "_erase_job", lambda pk: exit())
    with pytest.raises(SystemExit):
        retention.apply_retention()
    job.refresh_from_db()
    assert (job.removed_why, job.stored_bytes, left(job) > 0) == ("age", None, True)
    monkeypatch.undo()

    retention.apply_retention()

    job.refresh_from_db()
    assert (left(job), outputs_folder(job.pk).exists(), job.stored_bytes) == (0, False, 0)
    assert job.removed_bytes > 0
    assert not job.point_blocks.exists()


def read_only(monkeypatch, begin):
    """Logs whose key begins so cannot be removed."""
    remove = logstore.LogStore.remove

    def refuse(store, key):
        if key.startswith(begin):
            raise OSError("read-only")
        remove(store, key)

    monkeypatch.setattr(logstore.LogStore, "remove", refuse)


def test_a_disk_that_does_not_let_one_go_holds_up_no_other(monkeypatch):
    stuck, other = ended(200 * DAY), ended()
    read_only(monkeypatch, f"job/{stuck.pk}")
    retention.apply_retention()
    assert (left(stuck) > 0, left(other), storage.unfinished()) == (True, 0, 1)
    monkeypatch.undo()

    retention.apply_retention()

    assert (left(stuck), storage.unfinished()) == (0, 0)


def test_streams_that_cannot_be_removed_hold_up_no_later_job(monkeypatch):
    monkeypatch.setattr(retention, "_BATCH", 1)
    user, server = make_user(), make_deployment()
    for _ in range(2):
        asked(user, server, created_at=now() - 200 * DAY, state="done", answer="yes")
    job = ended()
    read_only(monkeypatch, "turn/")

    assert retention.apply_retention() == 1
    assert left(job) == 0


def test_the_row_has_the_log_s_exact_length():
    job = ended()
    Job.objects.filter(pk=job.pk).update(log_bytes=3)

    retention.apply_retention()

    assert stored(job, "log_bytes") == len(LOG)


def test_a_round_ends_with_its_time_and_the_next_goes_on():
    jobs = [ended(), ended()]

    assert retention.apply_retention(longest_s=0.0) == 0
    assert retention.apply_retention() == 2
    assert [left(job) for job in jobs] == [0, 0]


def test_the_first_pin_stays_until_a_day_after_unpinning():
    job, first = ended(), make_user()
    assert retention.pin(job.pk, first)
    assert retention.pin(job.pk, make_user())
    assert stored(job, "pinned_by") == first

    assert retention.unpin(job.pk)
    assert not retention.unpin(job.pk)
    assert retention.apply_retention(now() + timedelta(hours=23)) == 0
    job.refresh_from_db()
    assert storage.pending_removal_of(job).at == job.unpinned_at + DAY
    assert retention.apply_retention(now() + timedelta(hours=25)) == 1


def test_the_log_of_the_server_of_an_unpinned_job_has_a_day_too():
    server = over()
    retention.pin(server.job_id, make_user())
    retention.unpin(server.job_id)

    assert retention.apply_retention(now() + timedelta(hours=23)) == 0
    assert retention.apply_retention(now() + timedelta(hours=25)) > 0
    assert left(server) == 0


def test_a_person_removes_jobs_neither_pinned_nor_running_at_once():
    admin, job, pinned = make_user(), ended(timedelta(minutes=1)), ended(DAY)
    retention.pin(pinned.pk, admin)
    running = make_job(state=Job.State.RUNNING)

    assert retention.remove_now(job.pk, admin)
    assert not retention.remove_now(pinned.pk, admin)
    assert not retention.remove_now(running.pk, admin)
    retention.unpin(pinned.pk)
    assert retention.remove_now(pinned.pk, admin)  # without the day that retention waits

    job.refresh_from_db()
    assert (left(job), job.removed_why) == (0, "person")
    assert job.removed_args == {"user": admin.get_username()}
    assert not retention.remove_now(job.pk, admin)


def test_a_job_without_a_log_is_not_marked_as_removed():
    job = make_job(state=Job.State.CANCELLED, finished_at=now() - 100 * DAY)

    assert retention.apply_retention() == 0

    assert stored(job, "removed_at", "stored_bytes") == (None, 0)


@pytest.mark.postgresql
def test_a_round_counts_the_bytes_of_each_place(limits, settings):
    limits.RETENTION_AGE_S = None
    ended(2 * DAY, log=b"x" * 100, files=3, points=2)
    pinned = ended(20 * DAY, log=b"x" * 50)
    retention.pin(pinned.pk, None)
    over(30 * DAY)
    aside = Path(settings.DATA_DIR, "logs", "aside", "job-7")
    aside.mkdir(parents=True)
    (aside / "7.log").write_bytes(b"x" * 33)

    retention.apply_retention()

    counted = storage.last_count()
    side = logstore.store().disk_bytes(f"job/{pinned.pk}") - 50  # files beside each log
    assert counted.outputs == 30
    assert counted.points == 40
    assert counted.aside == 33
    assert counted.pinned == 50 + side
    assert counted.job_logs == 100 + 50 + len(LOG) + 3 * side
    assert counted.server_logs == len(LOG) + side
    assert counted.week == 100 + side + 30 + 40
    assert counted.within == counted.job_logs + counted.server_logs + 30 + 40


def test_what_goes_within_a_week_is_foretold_for_age_if_there_is_a_limit(limits):
    soon, later = ended(84 * DAY), ended(80 * DAY)

    retention.apply_retention()

    for job in (soon, later):
        job.refresh_from_db()
    removal = storage.pending_removal_of(soon)
    assert (removal.why, removal.at) == ("age", soon.finished_at + 90 * DAY)
    assert storage.pending_removal_of(later) is None
    retention.pin(soon.pk, None)
    soon.refresh_from_db()
    assert storage.pending_removal_of(soon) is None
    limits.RETENTION_AGE_S = None
    retention.apply_retention()
    assert storage.next_to_go(storage.last_count(), 10) == []


def test_what_goes_within_a_week_is_foretold_for_size(limits):
    """At the pace of the last week, in which one job came: one has to go."""
    limits.RETENTION_AGE_S, limits.RETENTION_SIZE_BYTES = None, 10**9
    first, second, third = (ended(age * DAY, log=b"x" * 1000) for age in (30, 20, 1))
    retention.apply_retention()
    limits.RETENTION_SIZE_BYTES = storage.last_count().within
    retention.apply_retention()

    pending = []
    for job in (first, second, third):
        job.refresh_from_db()
        pending.append(storage.pending_removal_of(job))
    assert [item and item.why for item in pending] == ["size", None, None]
    goes = storage.next_to_go(storage.last_count(), 10)
    assert [bulk.id for bulk, _removal in goes] == [first.pk, second.pk, third.pk]
    weeks = [(removal.at - now()) / timedelta(weeks=1) for _bulk, removal in goes]
    assert weeks == pytest.approx([0, 1, 2], abs=0.1)


def test_a_count_of_another_version_is_read_as_far_as_it_goes():
    retention.claim_run()
    Instance.objects.update(storage={"at": "2026-01-01T00:00:00+00:00", "job_logs": 5, "new": 1})

    assert storage.last_count().job_logs == 5


@pytest.mark.parametrize("make", [ended, over])
def test_what_is_packed_while_it_is_measured_is_measured_again(make, monkeypatch):
    record = make(log=LOG * 20_000) if make is ended else make()
    key = f"{'job' if make is ended else 'deployment'}/{record.pk}"
    logs, looks = type(logstore.store()), []
    disk_bytes = logs.disk_bytes

    def looked_at(store, asked):
        size = disk_bytes(store, asked)
        if asked == key and not looks:
            looks.append(store.pack(key))
        return size

    monkeypatch.setattr(logs, "disk_bytes", looked_at)
    retention._settle(time.monotonic() + 60)
    assert (looks, stored(record, "stored_bytes")) == ([True], None)

    retention._settle(time.monotonic() + 60)

    record.refresh_from_db()
    assert record.stored_bytes == left(record)
