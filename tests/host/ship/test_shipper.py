"""The shipper against a real HTTP intake that misbehaves."""

import random
import threading
from dataclasses import replace
from hashlib import sha256

import pytest

from jobs.base.files import size_and_sha256
from jobs.host.base import spool as spools
from jobs.host.ship import CHUNK, Shipped, Shipper
from jobs.plans import Output
from tests.host.conftest import record_of, to_its_end
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes


@pytest.fixture
def ship(intake, client):
    """Ship a spool in a thread; the function that waits for its end."""
    stopped = threading.Event()
    threads = []

    def start(spool):
        outcome = []
        run = threading.Thread(
            target=lambda: outcome.append(Shipper(spool, client).run(stopped)), daemon=True
        )
        run.start()
        threads.append(run)

        def wait():
            run.join(PATIENCE_S)
            assert outcome, "the shipper did not end"
            return outcome[0]

        return wait

    yield start
    stopped.set()
    for thread in threads:
        thread.join(PATIENCE_S)


@pytest.fixture
def taken(intake, make_spool):
    """A spool whose job the intake knows."""

    def make(*steps, number=1, **plan):
        record = intake.jobs[number] = record_of(*steps, **plan)
        return make_spool(
            *steps, number=number, instance=intake.instance, token=record.token, **plan
        )

    return make


@pytest.fixture
def done(taken, launch):
    return to_its_end(taken, launch)


@pytest.fixture
def server(intake, make_server):
    """Record and spool of deployment 4."""

    def make(command):
        record = intake.deployments[4] = record_of(command)
        known = {"instance": intake.instance, "token": record.token}
        return record, make_server(4, plan=record.plan, **known)

    return make


def test_everything_arrives_and_the_last_event_last(intake, ship, done):
    command = f"echo hi; printf 12 > r; : > empty; head -c {3 * CHUNK + 5} /dev/urandom > big"
    spool = done(command, outputs=(Output("result", "*"),))

    assert ship(spool)() is Shipped.COMPLETE

    job = intake.jobs[1]
    assert job.log == spool.log.read_bytes()
    assert bytes(job.streams["events"]) == spool.events.read_bytes()
    big = bytearray((spool.work / "big").read_bytes())
    assert job.outputs == {"r": bytearray(b"12"), "empty": bytearray(), "big": big}
    assert spool.is_acked()


def test_a_log_arrives_whole_through_drops_repeats_and_crashes(intake, taken, launch, ship):
    # 6 MB in uneven pieces, while the intake loses requests and answers and goes away twice.
    lines = "for i in $(seq 1 60000); do echo $i $i-$i-$i " + "x" * 60 + "; done"
    spool = taken("seq 1 200000", lines)
    dice = random.Random(7)
    lock = threading.Lock()

    def fault(method, path):
        with lock:
            return dice.choice(["drop", "forget", "500", *[None] * 9])

    intake.fault = fault
    wait = ship(spool)
    popen = launch(spool, wait=False)
    for _ in range(2):
        until(lambda: len(intake.jobs[1].log) > 100_000 or spool.exit())
        intake.close()
        intake.open()
    popen.wait(PATIENCE_S)

    assert wait() is Shipped.COMPLETE
    assert intake.jobs[1].log == spool.log.read_bytes()
    assert bytes(intake.jobs[1].streams["events"]) == spool.events.read_bytes()


def test_an_answer_of_409_moves_the_offset(intake, client, taken):
    spool = taken("true")
    text = random.Random(1).randbytes(5 * CHUNK)
    spool.log.write_bytes(text[: 2 * CHUNK - 10])
    shipper = Shipper(spool, client)
    shipper.round()

    # The dashboard comes back with less than it had confirmed. The next chunk is made already.
    del intake.jobs[1].streams["log"][CHUNK:]
    spool.log.write_bytes(text)
    shipper.round()

    assert intake.jobs[1].log == text
    assert intake.refused == 1


def test_refused_points_stop_no_other_stream(intake, ship, taken, launch):
    spool = taken("echo hi")
    spool.points.write_text('{"t": "now", "w": "w", "v": {}}\n')
    launch(spool)
    intake.refuses = {"points"}

    assert ship(spool)() is Shipped.COMPLETE
    assert intake.jobs[1].log == b"hi\n"
    assert "live metrics are no longer sent" in (spool.path / "launcher.log").read_text()


def test_refused_events_are_told_with_their_reason(intake, client, done):
    spool = done("echo hi")
    intake.refuses = {"events"}
    shipper = Shipper(spool, client)

    assert shipper.run(threading.Event()) is Shipped.BROKEN
    assert shipper.broken_by == "the dashboard refused it: bad"
    assert intake.jobs[1].log == b"hi\n"


def test_an_intake_that_never_moves_is_asked_seldom(intake, client, done):
    spool = done("echo hi")
    shipper = Shipper(spool, client)
    asked = []
    intake.append = lambda *a: asked.append(a) or (409, {"size": 0})

    assert shipper.round() is Shipped.AGAIN
    assert len(asked) == 1


def test_events_never_speak_of_bytes_that_have_not_arrived(intake, taken, launch, ship):
    spool = taken(*["seq 1 5000"] * 8)
    wrong = []
    append = intake.append

    def check(record, name, offset, raw):
        answer = append(record, name, offset, raw)
        wrong.extend(e for e in record.events if e.get("log_offset", 0) > len(record.log))
        return answer

    intake.append = check
    wait = ship(spool)
    launch(spool)

    assert wait() is Shipped.COMPLETE
    assert wrong == []


def test_the_last_event_waits_for_the_names_of_the_outputs(intake, client, done):
    spool = done("printf 12 > r", outputs=(Output("result", "r"),))
    written = spool.path / "exit.json"
    ended = written.rename(written.with_suffix(".later"))
    shipper = Shipper(spool, client)

    assert shipper.round() is Shipped.SENT
    assert b"step_ended" in intake.jobs[1].streams["events"]
    assert shipper.round() is Shipped.NOTHING
    assert b'"ended"' not in intake.jobs[1].streams["events"]

    ended.rename(written)
    assert shipper.round() is Shipped.COMPLETE
    assert intake.jobs[1].outputs == {"r": bytearray(b"12")}
    assert intake.refused == 0


def test_half_a_line_of_events_stays_until_it_is_whole(intake, client, taken):
    spool = taken("true")
    spool.events.write_bytes(b'{"seq": 0, "type": "started"}\n{"seq": 1, "ty')

    Shipper(spool, client).round()

    assert bytes(intake.jobs[1].streams["events"]) == b'{"seq": 0, "type": "started"}\n'


def test_a_spool_of_another_instance_is_never_appended(intake, client, make_spool, launch):
    intake.jobs[1] = record_of("true")
    spool = make_spool("echo foreign", instance="another", token=intake.jobs[1].token)
    launch(spool)

    assert Shipper(spool, client).round() is Shipped.UNKNOWN
    assert intake.jobs[1].log == b""


def test_the_next_run_of_a_server_goes_on_in_the_same_streams(server, launch, ship):
    record, spool = server("echo run")
    launch(spool)
    assert ship(spool)() is Shipped.COMPLETE

    record.token = "second"
    meta = replace(spool.meta(), token="second", run=2)
    spools.begin_run(spool, meta, record.plan, {}, {})
    assert not spool.is_acked()
    launch(spool)

    assert ship(spool)() is Shipped.COMPLETE
    assert record.log == b"run\nrun\n"
    runs = [(e["type"], e["run"]) for e in record.events if "run" in e]
    assert runs == [("started", 1), ("ended", 1), ("started", 2), ("ended", 2)]


def test_what_a_power_cut_took_of_log_and_points_holds_nothing_up(intake, taken, launch, ship):
    spool = taken("echo one; echo two")
    record = intake.jobs[1]
    record.streams["log"] += b"one\ntwo\nand more that is gone\n"
    record.streams["points"] += b'{"t": 1, "w": "w", "v": {}}\n'
    intake._is_whole = lambda record, ended: True
    launch(spool)

    assert ship(spool)() is Shipped.COMPLETE
    assert record.ended["log_bytes"] == len("one\ntwo\n")


def test_a_server_log_goes_on_after_what_a_power_cut_took(intake, client, server, launch, ship):
    record, spool = server("echo again")
    spool.log.write_bytes(b"first")
    record.streams["log"] += b"first run"

    Shipper(spool, client).round()
    assert spool.log.read_bytes() == b"first\0\0\0\0"
    intake._is_whole = lambda record, ended: True
    launch(spool)

    assert ship(spool)() is Shipped.COMPLETE
    assert record.log == b"first runagain\n"


@pytest.mark.parametrize("harm", ["shorter", "gone", "other"])
def test_an_output_that_is_not_what_it_was_is_not_sent_for_ever(intake, client, harm, done):
    spool = done("printf 12 > r", outputs=(Output("result", "r"),))
    file = spool.work / "r"
    if harm == "gone":
        file.unlink()
    else:
        file.write_text({"shorter": "1", "other": "21"}[harm])
    # As the dashboard does: what has another checksum has to come again from its beginning.
    intake.append_output = lambda *_: (409, {"size": 0})
    shipper = Shipper(spool, client)

    assert shipper.run(threading.Event()) is Shipped.BROKEN
    assert shipper.broken_by == "the output r is not what it was at the end"


@pytest.mark.parametrize(
    ("harm", "outcome"),
    [
        (lambda spool, job: spool.log.write_bytes(b"he"), Shipped.BROKEN),  # cut after the end
        (lambda spool, job: setattr(job, "token", "of another job"), Shipped.UNKNOWN),
    ],
)
def test_what_can_never_be_whole_or_is_of_another_is_given_up(intake, client, done, harm, outcome):
    spool = done("echo hello")
    harm(spool, intake.jobs[1])

    assert Shipper(spool, client).round() is outcome


def test_a_log_goes_in_pieces_as_large_as_the_dashboard_takes(intake, client, taken):
    spool = taken("true")
    spool.log.write_bytes(bytes(3 * CHUNK))
    Shipper(spool, client).round()
    before = list(intake.log_chunks)

    intake.log_chunk = 2 * CHUNK
    spool.log.write_bytes(bytes(6 * CHUNK))
    Shipper(spool, client).round()

    after = intake.log_chunks[len(before) :]
    assert (before, after) == ([CHUNK] * 3, [2 * CHUNK, CHUNK])


def noise(count):
    """Text that hardly gets smaller when it is compressed, in lines."""
    return random.Random(5).randbytes(count // 2).hex(" ", 40).replace(" ", "\n") + "\n"


@pytest.mark.parametrize("says", [b"<html>413</html>", b'{"error": "size"}', b"[]"])
def test_a_proxy_that_takes_little_at_once_gets_smaller_chunks(intake, ship, tmp_path, says, done):
    (tmp_path / "noise").write_text(noise(900_000))
    spool = done(
        f"cat {tmp_path}/noise; cp {tmp_path}/noise r.txt", outputs=(Output("result", "r.txt"),)
    )
    intake.proxy_takes, intake.proxy_says, intake.log_chunk = 60_000, says, 1024 * 1024

    assert ship(spool)() is Shipped.COMPLETE

    assert intake.jobs[1].log == spool.log.read_bytes()
    assert bytes(intake.jobs[1].outputs["r.txt"]) == (tmp_path / "noise").read_bytes()
    assert max(intake.log_chunks) >= 64 * 1024


def test_events_and_points_go_through_such_a_proxy_too(intake, client, done):
    spool = done("true")
    lines = [f'{{"series": "s", "x": {n}, "y": "{n * 7919 % 65_537:x}"}}' for n in range(60_000)]
    spool.points.write_text("\n".join(lines) + "\n")
    shipper = Shipper(spool, client)
    intake.proxy_takes = 24_000

    shipper.round()

    assert bytes(intake.jobs[1].streams["points"]) == spool.points.read_bytes()
    assert all(raw.endswith(b"\n") for _name, raw in intake.chunks)


def test_what_even_the_smallest_chunk_cannot_pass_is_broken(intake, client, tmp_path, done):
    (tmp_path / "noise").write_text(noise(300_000))
    spool = done(f"cat {tmp_path}/noise")
    intake.proxy_takes = 1_000
    shipper = Shipper(spool, client)

    assert shipper.round() is Shipped.BROKEN

    assert "413" in shipper.broken_by


def test_a_line_longer_than_a_chunk_goes_alone(intake, client, done):
    spool = done("true")
    long = '{"series": "' + "x" * (CHUNK + 10) + '"}\n'
    spool.points.write_text(long + '{"series": "s"}\n' * 10)

    Shipper(spool, client).round()

    assert next(raw for name, raw in intake.chunks if name == "points").decode() == long
    assert bytes(intake.jobs[1].streams["points"]) == spool.points.read_bytes()


def test_a_dashboard_checking_a_long_log_is_asked_again_at_once(intake, ship, done):
    intake.check_rounds = 14  # with a wait that doubles each time it would take five minutes
    spool = done("echo hi")

    assert ship(spool)() is Shipped.COMPLETE

    assert intake.jobs[1].ended["verdict"] == "succeeded"


@pytest.mark.parametrize(
    ("part", "times"),
    [(b"x" * 50_000, 1000), (bytes(range(256)) + b"\xff\xfe\x1b[31m", 40_000)],
    ids=["a line of 50 MB", "binary garbage"],
)
def test_whatever_a_command_prints_arrives(intake, ship, tmp_path, part, times, done):
    text = tmp_path / "text"
    with text.open("wb") as file:
        file.writelines(part for _ in range(times))
    spool = done(f"cat {text}; exit 3")

    assert ship(spool)() is Shipped.COMPLETE

    log = intake.jobs[1].streams["log"]
    assert (len(log), sha256(log).hexdigest()) == size_and_sha256(text)
    assert intake.jobs[1].ended["message_id"] == "work:exit"


def test_a_lost_job_is_shipped_whole_and_reported_once(intake, ship, caplog, done):
    intake.fault = lambda method, path: "500"
    spool = done("echo hi")
    wait = ship(spool)
    until(lambda: caplog.records)
    for _ in range(3):
        intake.close()
        intake.open()
    intake.fault = lambda method, path: None

    assert wait() is Shipped.COMPLETE

    assert intake.jobs[1].log == b"hi\n"
    assert len(caplog.records) == 1
