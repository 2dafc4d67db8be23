"""Points of a watch: all for a job; for a server only changes, in a bounded file."""

import json
import sys

import pytest

from jobs.host.base import spool as spools
from jobs.host.run import scraper
from jobs.host.run.scraper import QUIET_S, STILL_S, PointsFile
from jobs.host.ship import Shipper
from jobs.plans import PlanFile, Step, Watch
from tests.host.conftest import METRICS_SERVER, record_of
from tests.waiting import until


@pytest.fixture
def path(tmp_path):
    return tmp_path / "points.jsonl"


def written(path):
    """``(time, value)`` of each line, zero bytes left out."""
    lines = path.read_bytes().replace(b"\0", b"").splitlines()
    return [(point["t"], point["v"]["a"]) for point in map(json.loads, lines)]


def add(points, *pairs):
    for at, value in pairs:
        points.add("engine", at, {"a": value})


def test_each_scrape_of_a_job_is_written(path):
    points = PointsFile(path, endless=False)

    add(points, (0, 1.0), (1, 1.0), (2, 2.0))

    assert written(path) == [(0, 1.0), (1, 1.0), (2, 2.0)]


def test_an_idle_server_repeats_the_same_values_seldom(path):
    points = PointsFile(path, endless=True)

    add(points, *((second, 1.0) for second in range(0, 100, 2)))

    at = [second for second, _ in written(path)]
    assert at == [*range(0, int(STILL_S) + 2, 2), STILL_S + QUIET_S, STILL_S + 2 * QUIET_S]


def test_a_change_is_written_with_what_came_right_before_it(path):
    points = PointsFile(path, endless=True)

    add(points, (0, 1.0), (20, 1.0), (24, 1.0), (26, 1.0), (28, 9.0), (30, 9.5))

    assert written(path) == [(0, 1.0), (26, 1.0), (28, 9.0), (30, 9.5)]


def test_a_servers_file_keeps_offsets_and_frees_old_lines_disk(path, monkeypatch):
    monkeypatch.setattr(scraper, "MARK", 64 * 1024)
    monkeypatch.setattr(scraper, "KEPT_MARKS", 2)
    points = PointsFile(path, endless=True)

    add(points, *((number, float(number)) for number in range(20_000)))

    size, on_disk = path.stat().st_size, path.stat().st_blocks * 512
    kept = written(path)
    assert size > 600_000
    assert on_disk < 300_000
    assert kept[-1] == (19_999, 19_999.0)
    assert [at for at, _ in kept] == list(range(int(kept[0][0]), 20_000))  # whole lines


def test_nothing_is_written_after_the_end(path):
    points = PointsFile(path, endless=True)
    points.close()

    add(points, (0, 1.0))

    assert path.read_bytes() == b""


@pytest.mark.processes
def test_watches_are_read_while_the_plans_server_runs(make_spool, launch, host_dir, ports):
    server = spools.Spool(host_dir / "serve" / "5")
    job = make_spool(
        Step("serve", (sys.executable, "{serve_dir}/files/server.py", "{port}"), serves=True),
        "until [ -s {serve_dir}/points.jsonl ]; do sleep 0.1; done",
        files=(PlanFile("server.py", METRICS_SERVER),),
        deployment={"id": 5, "token": "t-5", "run": 1},
        values={"serve_dir": str(server.path), "port": str(ports[0])},
        watches=(Watch("engine", "http://127.0.0.1:{port}/metrics", ("a",), interval_s=0.1),),
    )

    launch(job)
    until(lambda: server.points.exists() and server.points.stat().st_size)

    assert json.loads(server.points.read_text().splitlines()[0])["v"] == {"a": 3.5}
    assert not job.points.exists()


@pytest.mark.processes
def test_removed_points_of_a_server_are_shipped_as_zero_bytes(intake, client, make_server):
    record = intake.deployments[4] = record_of("true")
    spool = make_server(4, instance=intake.instance, token=record.token)
    text = bytes(3 * scraper.MARK) + b'{"t": 1, "w": "engine", "v": {"a": 1}}\n'
    spool.points.write_bytes(text + b'{"t": 2, "w"')

    Shipper(spool, client).round()

    assert bytes(record.streams["points"]) == text


def test_counters_of_a_job_are_read_once_more_at_its_end(tmp_path, monkeypatch):
    answers = iter(["a 1", "a 2"])
    monkeypatch.setattr(scraper, "_get", lambda url, key: next(answers, ""))
    watch = Watch("engine", "http://127.0.0.1:1/metrics", ("a",), interval_s=3600.0)
    points = tmp_path / "points.jsonl"

    job = scraper.Scraper([watch], points)
    until(lambda: points.read_bytes())
    job.stop()

    assert [value for _at, value in written(points)] == [1.0, 2.0]
