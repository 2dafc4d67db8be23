"""The order in which jobs wait for their host."""

from contextlib import suppress
from itertools import pairwise
from uuid import UUID

import pytest

from jobs.models import Job
from jobs.queries.hosts import queue_position
from jobs.schedule import dispatch, lifecycle, queue
from jobs.schedule.queue import NotMoved, PassesOthers
from tests.factories import make_host, make_job, make_user
from tests.threads import together

URGENT, NORMAL, LOW = Job.Priority.values
CHAIN = UUID(int=1)


@pytest.fixture
def host():
    """It starts nothing."""
    return make_host(draining=True)


@pytest.fixture
def jobs(host):
    return [make_job(host=host) for _ in range(4)]


def order(host):
    waiting = Job.objects.filter(host=host, state="queued").order_by(*Job.QUEUE_ORDER)
    return list(waiting.values_list("pk", flat=True))


def move(job, **where):
    return queue.move(job.pk, **{"can_overtake": True, **where})


def ids(*jobs):
    return [job.pk for job in jobs]


def test_priority_counts_before_age(host, jobs):
    first, second, third, fourth = jobs
    assert order(host) == ids(*jobs)

    queue.set_priority(third.pk, URGENT)
    queue.set_priority(first.pk, LOW)

    assert order(host) == ids(third, second, fourth, first)


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("first", [2, 0, 1, 3]),
        ("earlier", [0, 2, 1, 3]),
        ("later", [0, 1, 3, 2]),
        ("last", [0, 1, 3, 2]),
    ],
)
def test_a_job_goes_one_step_or_to_an_end(host, jobs, to, expected):
    move(jobs[2], to=to)

    assert order(host) == [jobs[index].pk for index in expected]


def test_a_job_goes_before_or_after_another(host, jobs):
    a, b, c, d = jobs

    assert move(d, before=b.pk) == queue.Move(4, 2)
    assert order(host) == ids(a, d, b, c)
    assert move(a, after=b.pk) == queue.Move(1, 3)
    assert order(host) == ids(d, b, a, c)


def test_a_new_job_comes_last_whatever_was_moved(host, jobs):
    move(jobs[0], to="last")
    move(jobs[1], to="last")

    new = make_job(host=host)

    assert order(host)[-1] == new.pk


@pytest.mark.postgresql
def test_places_never_run_out_between_two_jobs(host, jobs):
    a, b, c, d = jobs
    for _ in range(60):  # each halves what is between the first and the second
        move(c, before=order(host)[1])
        move(d, before=order(host)[1])

    new = make_job(host=host)
    assert order(host) == ids(a, d, c, b, new)
    assert len(set(Job.objects.values_list("place", flat=True))) == 5


def test_a_job_that_was_sent_is_not_moved_nor_moved_before(host, jobs):
    Job.objects.filter(pk=jobs[1].pk).update(state="starting")

    with pytest.raises(NotMoved, match="no longer queued"):
        move(jobs[1], to="last")
    with pytest.raises(NotMoved, match=f"#{jobs[1].pk} is no longer queued on this host"):
        move(jobs[3], before=jobs[1].pk)
    with pytest.raises(NotMoved, match="no longer queued"):
        queue.set_priority(jobs[1].pk, URGENT)
    assert Job.objects.get(pk=jobs[1].pk).priority == NORMAL


def test_a_job_is_not_moved_among_those_of_another_priority(host, jobs):
    queue.set_priority(jobs[0].pk, URGENT)

    with pytest.raises(NotMoved, match="another priority"):
        move(jobs[3], before=jobs[0].pk)


def test_a_move_without_a_place_is_answered_with_the_steps(jobs):
    with pytest.raises(NotMoved, match="one of first, earlier, later, last"):
        move(jobs[0])


def test_a_job_passes_only_jobs_of_its_owner(host):
    owner, other = make_user(), make_user()
    theirs = make_job(host=host, created_by=other)
    own = [make_job(host=host, created_by=owner) for _ in range(2)]

    move(own[1], to="earlier", can_overtake=False)
    with pytest.raises(PassesOthers, match=f"#{theirs.pk} of another person"):
        move(own[1], to="first", can_overtake=False)

    assert order(host) == ids(theirs, own[1], own[0])


def test_another_priority_does_not_let_a_job_pass_others(host):
    owner, other = make_user(), make_user()
    theirs = [make_job(host=host, created_by=other) for _ in range(3)]
    own = make_job(host=host, created_by=owner)
    make_job(host=host, created_by=owner, priority=LOW)
    move(theirs[0], after=theirs[2].pk)

    queue.set_priority(own.pk, LOW)
    move(own, to="first", can_overtake=False)
    Job.objects.filter(pk=own.pk).update(place=1)
    queue.set_priority(own.pk, NORMAL)

    # In its turn, as if it were launched now.
    assert order(host)[:4] == ids(theirs[1], own, theirs[2], theirs[0])


class TestTurns:
    """Two people, of whom one has launched much."""

    @pytest.fixture
    def launched(self, host):
        """A function that queues a job of a person as a launch does."""

        def launch(person, **fields):
            job = make_job(host=host, created_by=person, **fields)
            queue.take_turn(job)
            return job

        return launch

    @pytest.fixture
    def many(self, launched):
        one = make_user()
        return [launched(one) for _ in range(5)]

    def test_jobs_of_one_person_wait_by_age(self, host, many):
        assert order(host) == ids(*many)

    def test_people_take_turns(self, host, launched, many):
        own = [launched(person) for person in [make_user()] * 2 + [make_user()]]

        expected = [many[0], own[0], own[2], many[1], own[1], *many[2:]]
        assert order(host) == ids(*expected)

    def test_a_person_who_was_served_waits_for_the_others_turn(self, host, launched, many):
        again = make_user()
        for _ in range(3):
            next_one = order(host)[0]
            Job.objects.filter(pk=next_one).update(state="running")
            new = launched(again)
            assert order(host).index(new.pk) == 1
            Job.objects.filter(pk=new.pk).delete()

    def test_pipelines_of_a_person_take_turns_in_the_places_of_that_person(
        self, host, launched, many
    ):
        colleague = launched(make_user())
        chain = [launched(many[0].created_by, chain=CHAIN) for _ in range(2)]

        expected = [many[0], colleague, chain[0], many[1], chain[1], *many[2:]]
        assert order(host) == ids(*expected)

    def test_a_moved_job_stays_where_it_is(self, host, launched, many):
        move(many[4], to="first")
        own = launched(make_user())

        assert order(host) == ids(many[4], own, *many[:4])

    def test_each_priority_has_turns_of_its_own(self, host, launched, many):
        own = launched(make_user(), priority=URGENT)
        other = launched(own.created_by)

        assert order(host) == ids(own, many[0], other, *many[1:])

    @pytest.mark.postgresql
    def test_places_never_run_out(self, host, launched, many):
        own = [launched(make_user()) for _ in range(60)]

        assert order(host) == ids(many[0], *own, *many[1:])


def test_a_job_raised_along_passes_no_other(host):
    owner, other = make_user(), make_user()
    theirs = make_job(host=host, created_by=other)
    first = make_job(host=host, created_by=owner, priority=LOW, place=1)
    second = make_job(host=host, created_by=owner, priority=LOW)
    second.after.add(first)

    assert sorted(queue.set_priority(second.pk, NORMAL)) == ids(first, second)

    assert order(host) == ids(theirs, first, second)


def test_an_overtaking_job_keeps_its_place_in_another_priority(host, jobs):
    Job.objects.filter(pk=jobs[3].pk).update(priority=LOW, place=1)

    queue.set_priority(jobs[3].pk, NORMAL, can_overtake=True)

    assert order(host)[0] == jobs[3].pk


@pytest.mark.postgresql
def test_an_urgent_job_takes_along_what_it_waits_for(host, jobs):
    first, second, third, _fourth = jobs
    second.after.add(first)
    third.after.add(second)

    changed = queue.set_priority(third.pk, URGENT)

    assert sorted(changed) == ids(first, second, third)
    assert {job.priority for job in Job.objects.filter(pk__in=changed)} == {URGENT}
    assert queue.set_priority(third.pk, LOW) == [third.pk]


def test_the_number_ahead_counts_the_whole_line(host, jobs):
    queue.set_priority(jobs[3].pk, URGENT)

    numbers = [queue_position(Job.objects.get(pk=job.pk)) for job in jobs]

    assert numbers == [1, 2, 3, 0]


def test_a_job_queued_for_an_exclusive_host_may_waive_that(host):
    job = make_job(host=host, exclusive=True)

    assert queue.set_exclusive(job.pk, exclusive=False) is True
    assert queue.set_exclusive(job.pk, exclusive=False) is False


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_order_survives_those_who_change_it_while_jobs_start():
    host = make_host(slots=3)
    jobs = [make_job(host=host) for _ in range(8)]

    def shuffle(number):
        try:
            queue.move(jobs[number].pk, to="first", can_overtake=True)
            queue.set_priority(jobs[number].pk, number % 3)
        except NotMoved:
            pass  # it was sent meanwhile

    def shuffler(number):
        return lambda: shuffle(number)

    together(dispatch.run, *[shuffler(number) for number in range(8)], dispatch.run)

    states = list(Job.objects.filter(host=host).values_list("state", flat=True))
    assert states.count("starting") == 3
    waiting = order(host)
    assert len(waiting) == 5
    # What stands first starts first once there is room.
    Job.objects.filter(host=host, state="starting").update(state="running")
    host.slots = 4
    host.save()
    dispatch.run()
    assert Job.objects.get(host=host, state="starting").pk == waiting[0]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_chains_are_cancelled_during_respacing():
    host = make_host(draining=True)

    def race():
        # All of one place: each move gives all of them new ones.
        made = {"type": "weights"}
        jobs = [make_job(host=host, place=1 << 40, product=made) for _ in range(12)]
        for before, job in pairwise(jobs[:6]):
            job.after.add(before)

        def raise_the_chain():
            with suppress(NotMoved):
                queue.set_priority(jobs[5].pk, URGENT)

        together(
            raise_the_chain,
            lambda: lifecycle.ask_cancel(jobs[0].pk, None),
            lambda: move(jobs[7], before=jobs[6].pk),
            lambda: move(jobs[8], after=jobs[6].pk),
            lambda: move(jobs[10], before=jobs[7].pk),
        )
        assert set(order(host)) == set(ids(*jobs[6:]))
        Job.objects.filter(host=host, state="queued").delete()

    for _ in range(4):
        race()


class TestRows:
    """A group of jobs is moved as one row."""

    @pytest.fixture
    def queued(self, host):
        """A function that queues jobs of "a1": a person and a group, "a": a single job."""

        people = {"a": make_user(), "b": make_user()}

        def queue_job(name):
            group = {"chain": UUID(int=int(name[1]))} if name[1:] else {}
            return make_job(host=host, created_by=people[name[0]], title=name, **group)

        return lambda text: [queue_job(name) for name in text.split()]

    def titles(self, host):
        rows = Job.objects.filter(host=host, state="queued").order_by(*Job.QUEUE_ORDER)
        return " ".join(rows.values_list("title", flat=True))

    @pytest.mark.postgresql
    @pytest.mark.parametrize(
        ("text", "moved", "to", "expected"),
        [
            ("a1 a2 a1 a a2", 1, "first", "a2 a2 a1 a a1"),
            ("a1 a2 a1 a a2", 1, "earlier", "a2 a2 a1 a a1"),
            ("a1 a2 a1 a a2", 1, "later", "a1 a a1 a2 a2"),
            ("a1 a2 a1 a a2", 1, "last", "a1 a a1 a2 a2"),
            # Jobs of others stay where they are.
            ("a1 b1 a2 b1 a1 a2", 2, "earlier", "a2 b1 a2 b1 a1 a1"),
        ],
    )
    def test_a_group_and_the_own_rows_that_it_passes_exchange_places(
        self, host, queued, text, moved, to, expected
    ):
        jobs = queued(text)

        move(jobs[moved], to=to, whole=True, can_overtake=False)

        assert self.titles(host) == expected

    def test_a_group_keeps_the_order_of_its_jobs(self, host, queued):
        jobs = queued("a1 a2 a2 a2")

        assert move(jobs[2], before=jobs[0].pk, whole=True) == queue.Move(2, 1)

        assert order(host) == ids(*jobs[1:], jobs[0])

    def test_only_an_administrator_moves_a_group_past_others(self, host, queued):
        jobs = queued("b1 a1 b1 a1")

        with pytest.raises(PassesOthers, match=f"#{jobs[0].pk} of another person"):
            move(jobs[1], to="first", whole=True, can_overtake=False)
        assert self.titles(host) == "b1 a1 b1 a1"
        move(jobs[1], to="first", whole=True)
        assert self.titles(host) == "a1 a1 b1 b1"

    def test_everybody_lets_others_pass(self, host, queued):
        jobs = queued("a1 b a1")

        move(jobs[0], after=jobs[1].pk, whole=True, can_overtake=False)

        assert self.titles(host) == "b a1 a1"

    def test_a_group_that_is_dropped_among_its_own_jobs_stays(self, host, queued):
        jobs = queued("a a1 a1")

        assert move(jobs[1], before=jobs[2].pk, whole=True) == queue.Move(2, 2)
        assert order(host) == ids(*jobs)

    def test_one_job_of_a_group_still_moves_alone(self, host, queued):
        jobs = queued("a1 a1 a1")

        move(jobs[2], to="first")

        assert order(host) == ids(jobs[2], *jobs[:2])

    def test_a_priority_is_that_of_all_its_queued_jobs(self, host, queued):
        jobs = queued("a1 a a1")

        changed = queue.set_priority(jobs[0].pk, LOW, whole=True)

        assert changed == ids(jobs[0], jobs[2])
        assert order(host) == ids(jobs[1], jobs[0], jobs[2])
