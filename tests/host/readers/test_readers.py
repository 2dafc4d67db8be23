"""Reading a tool's files while the tool writes: real files, cut where a look may fall."""

import json
import os
import shutil
from pathlib import Path

import pytest

from jobs.host.run import scraper
from jobs.host.run.scraper import READERS, Counted, DiesReader, Scraper, reader_of
from jobs.plans import Watch
from jobs.tools.evalscope.host_reader import EvalScopeReader
from jobs.tools.lib.growing import Tail
from jobs.tools.opencompass.host_reader import OpenCompassReader
from jobs.tools.vllm.host_reader import BenchLogReader, ProgressReader

DATA = Path(__file__).parent.parent.parent / "data"
OWN, HUB = DATA / "evalscope-1.14-growing", DATA / "evalscope-1.14-hub"
RUN = DATA / "opencompass-0.4.1"
STAMP = "20261124_140927"
PARTS = (("short_answers/short_zh", 18), ("choice_letters/choice_zh", 8))
SHORT = "short_answers_short_zh.jsonl"


class Growing:
    """A folder in which EvalScope's files appear line by line, as the tool writes them."""

    def __init__(self, folder, source=OWN):
        self.folder, self.source = folder, source

    def write(self, folder, name, lines, torn=0, written=".rerun-4d98"):
        """The first ``lines`` of a file, and ``torn`` bytes of the next one."""
        whole = (self.source / folder / "model" / name).read_bytes().splitlines(keepends=True)
        path = self.folder / folder / "model" / (name + (written if folder == "reviews" else ""))
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("r+b" if path.exists() else "wb") as file:
            file.write(b"".join(whole[:lines]) + (whole[lines][:torn] if torn else b""))
        return path

    def log(self, text):
        path = self.folder / "logs" / "eval_log.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(text)


@pytest.fixture
def growing(tmp_path):
    return Growing(tmp_path / "eval")


@pytest.fixture
def reader(growing):
    return EvalScopeReader(growing.folder, PARTS)


def counts_of(point, *names):
    return tuple(point[name] for name in names or ("answered", "scored", "right"))


def test_before_the_tool_begins_each_part_has_its_questions(reader):
    points = reader.read()

    assert list(points) == ["", *(name for name, _ in PARTS)]
    assert counts_of(points["short_answers/short_zh"], "answered", "total") == (0, 18)
    assert points[""]["total"] == 26


def test_answers_and_scores_are_counted_as_they_come(growing, reader):
    growing.write("predictions", SHORT, 5)
    growing.write("reviews", SHORT, 3)
    first = reader.read()["short_answers/short_zh"]
    growing.write("predictions", SHORT, 18)
    growing.write("reviews", SHORT, 18)
    last = reader.read()["short_answers/short_zh"]

    lines = (OWN / "reviews/model" / SHORT).read_text().splitlines()
    scores = [json.loads(line)["sample_score"]["score"]["value"] for line in lines]
    right = [score["contains_answer"] for score in scores]
    assert counts_of(first) == (5, 3, sum(right[:3]))
    assert counts_of(last) == (18, 18, sum(right)) == (18, 18, 4)


def test_a_half_written_line_is_counted_once_it_is_whole(growing, reader):
    growing.write("predictions", SHORT, 2, torn=300)
    before = reader.read()[""]
    growing.write("predictions", SHORT, 3)

    assert (counts_of(before)[0], counts_of(reader.read()[""])[0]) == (2, 3)


def test_a_score_file_is_not_counted_again_when_it_is_renamed(growing, reader):
    path = growing.write("reviews", SHORT, 18)
    before = reader.read()[""]
    path.rename(path.with_name(SHORT))

    assert reader.read()[""] == before


def test_scores_given_anew_replace_those_before(growing, reader):
    growing.write("reviews", SHORT, 9).rename(growing.folder / "reviews/model" / SHORT)
    reader.read()
    growing.write("reviews", SHORT, 2, written=".rerun-ffff")

    assert counts_of(reader.read()[""], "scored") == (2,)


def test_answers_that_were_cut_are_counted(growing, reader):
    growing.write("predictions", SHORT, 18)

    lines = (OWN / "predictions/model" / SHORT).read_text().splitlines()
    reasons = [json.loads(line)["model_output"]["choices"][0]["stop_reason"] for line in lines]
    assert reader.read()[""]["cut"] == reasons.count("max_tokens") > 0


def test_a_question_that_fails_is_an_error_of_its_part(growing, reader):
    text = (OWN / "logs/eval_log.log").read_text()
    growing.log(text[: text.index("Model loaded")])
    growing.log(
        "x\n2026-11-24 14:17:39 - evalscope - ERROR: Processing item in subset='short_zh' failed:"
        " Error code: 500\nTraceback:\n"
    )

    points = reader.read()

    assert points["short_answers/short_zh"]["errors"] == points[""]["errors"] == 1


def test_question_counts_of_published_sets_come_from_the_log(tmp_path):
    growing = Growing(tmp_path / "eval")
    reader = EvalScopeReader(growing.folder, (("short_answers", 0), ("choice_letters", 0)))
    unknown = reader.read()[""]["total"]
    growing.log((OWN / "logs/eval_log.log").read_text())
    growing.write("predictions", SHORT, 18)
    growing.write("predictions", "choice_letters_choice_zh.jsonl", 8)

    points = reader.read()

    assert unknown == 0
    assert counts_of(points["short_answers"], "answered", "total") == (18, 114)
    assert counts_of(points["choice_letters"], "answered", "total") == (8, 28)
    assert counts_of(points[""], "answered", "total") == (26, 142)


@pytest.mark.parametrize(
    "line",
    [
        b"[1]",
        b"{",
        b'{"index": 1, "model_output": []}',
        b'{"index": 1, "model_output": {"choices": [1]}}',
        b'{"sample_score": {"score": {"value": {"a": "x"}}}}',
        b'{"sample_score": {"score": {"value": {"a": NaN}}}}',
        b'{"sample_score": {"score": {"value": {"a": 1e9}}}}',
        b'{"sample_score": {"score": {"value": []}}}',
        b'{"sample_score": {"score": {"value": {"a": "x"}, "main_score_name": ["a"]}}}',
        b"[" * 5000,
        b"\xff\xfe",
    ],
)
def test_a_strange_line_breaks_nothing_and_counts_no_score(tmp_path, line):
    for folder in ("predictions", "reviews"):
        path = tmp_path / folder / "model" / SHORT
        path.parent.mkdir(parents=True)
        path.write_bytes(line + b"\n")

    assert counts_of(EvalScopeReader(tmp_path, PARTS).read()[""], "scored", "right") == (0, 0)


def test_a_line_longer_than_one_look_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.tools.lib.growing.MOST_BYTES", 100)
    path, tail = tmp_path / "x", Tail()
    path.write_bytes(b"a\n" + b"x" * 250 + b"\nb\n")

    lines = [line for _ in range(6) for line in tail.read(path)[0]]

    assert lines == [b"a", b"b"]


def test_links_and_pipes_are_not_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x\n")
    (tmp_path / "link").symlink_to(secret)
    os.mkfifo(tmp_path / "pipe")

    assert Tail().read(tmp_path / "link") == ([], False)
    assert Tail().read(tmp_path / "pipe") == ([], False)


# -- OpenCompass ----------------------------------------------------------------------------------

SETS = (("cluewsc-dev", 20), ("cluewsc-test", 33), ("math-500", 6))
BEGUN = f"11/24 14:09:27 - OpenCompass - INFO - Current exp folder: outputs/default/{STAMP}\n"


@pytest.fixture
def compass(tmp_path):
    """A function: the reader's answer after each of the changes that it is called with."""
    log = tmp_path / "log"
    log.write_text(BEGUN)
    reader = OpenCompassReader(tmp_path / "outputs", SETS, log)

    def look():
        return reader.read()

    look.run = tmp_path / "outputs" / STAMP
    look.log = log
    (look.run / "predictions" / "m").mkdir(parents=True)
    (look.run / "results" / "m").mkdir(parents=True)
    return look


def predictions(name):
    (path,) = (RUN / STAMP / "predictions").glob(f"*/{name}.json")
    return json.loads(path.read_text())


def put(folder, name, rows):
    """Write the whole file again, as the tool does."""
    (folder / name).write_text(json.dumps(rows, indent=4, ensure_ascii=False))


def first(rows, count):
    return dict(list(rows.items())[:count])


def test_each_set_has_a_row_before_it_is_asked(compass):
    assert list(compass()) == ["", *(name for name, _ in SETS)]
    assert compass()[""]["total"] == 59


def test_answers_in_a_rewritten_file_are_counted_once(compass):
    rows, folder = predictions("cluewsc-dev"), compass.run / "predictions/m"
    counts = []
    for count in (4, 8, 8, 20):
        put(folder, "tmp_cluewsc-dev.json", first(rows, count))
        counts.append(compass()["cluewsc-dev"]["answered"])
    put(folder, "cluewsc-dev.json", rows)
    (folder / "tmp_cluewsc-dev.json").unlink()

    assert len(rows) == 20
    assert [*counts, compass()["cluewsc-dev"]["answered"]] == [4, 8, 8, 20, 20]


def test_a_file_caught_in_writing_is_left_for_the_next_read(compass):
    rows, folder = predictions("cluewsc-dev"), compass.run / "predictions/m"
    put(folder, "tmp_cluewsc-dev.json", first(rows, 8))
    compass()
    path = folder / "tmp_cluewsc-dev.json"
    whole = json.dumps(first(rows, 12), indent=4, ensure_ascii=False).encode()
    counts = []
    for size in (0, 100, len(whole) // 2, len(whole) - 30, len(whole)):
        path.write_bytes(whole[:size])
        counts.append(compass()["cluewsc-dev"]["answered"])

    assert counts == [8, 8, 8, 11, 12]


def test_a_set_is_scored_when_its_result_is_written(compass):
    put(compass.run / "predictions/m", "cluewsc-dev.json", first(predictions("cluewsc-dev"), 8))
    before = compass()["cluewsc-dev"]
    put(compass.run / "results/m", "cluewsc-dev.json", {"accuracy": 50.0})

    assert (counts_of(before), before["total"]) == ((8, 0, 0), 20)
    after = compass()
    assert (counts_of(after["cluewsc-dev"]), after["cluewsc-dev"]["total"]) == ((8, 8, 4), 8)
    assert (counts_of(after[""]), after[""]["total"]) == ((8, 8, 4), 8 + 33 + 6)


def test_the_score_of_a_result_with_long_details_is_found(compass):
    details = DATA / "opencompass-0.4.1-details" / "20261124_205615"
    (result,) = details.glob("results/*/cluewsc-dev.json")
    rows = json.loads(result.read_text())
    rows["details"]["0"]["prompt"] = "x" * 200_000
    put(compass.run / "predictions/m", "cluewsc-dev.json", first(predictions("cluewsc-dev"), 2))
    put(compass.run / "results/m", "cluewsc-dev.json", rows)

    assert counts_of(compass()["cluewsc-dev"]) == (2, 2, 1)
    put(compass.run / "results/m", "cluewsc-dev.json", {"details": rows["details"], "score": 0.0})
    assert counts_of(compass()["cluewsc-dev"]) == (2, 2, 0)


@pytest.mark.parametrize(
    "text", ['{\n    "error": "no predictions"\n}', '{\n    "accuracy": 50.0,', "[]", ""]
)
def test_what_is_no_score_scores_nothing(compass, text):
    put(compass.run / "predictions/m", "cluewsc-dev.json", first(predictions("cluewsc-dev"), 2))
    (compass.run / "results/m/cluewsc-dev.json").write_text(text)

    assert counts_of(compass()["cluewsc-dev"]) == (2, 0, 0)


def test_a_dry_run_before_is_another_run(compass):
    put(compass.run / "predictions/m", "cluewsc-dev.json", predictions("cluewsc-dev"))
    compass()
    with compass.log.open("a") as log:
        log.write(BEGUN.replace(STAMP, "20261124_150000"))

    assert compass()["cluewsc-dev"]["answered"] == 0


def test_empty_answers_and_open_thoughts_are_counted(compass):
    answers = ["", "<think>so", "<think>so</think>A", "}\n    }\n    },", "B"]
    rows = {str(i): {"origin_prompt": "q", "prediction": each} for i, each in enumerate(answers)}
    put(compass.run / "predictions/m", "tmp_math-500.json", rows)

    assert counts_of(compass()["math-500"], "answered", "errors", "cut") == (4, 1, 1)


def test_parts_of_a_set_and_sets_of_a_family_are_one_row(tmp_path):
    log = tmp_path / "log"
    log.write_text(BEGUN)
    folder = tmp_path / STAMP / "predictions" / "m"
    folder.mkdir(parents=True)
    rows = first(predictions("cluewsc-dev"), 2)
    for name in ("math-500_0", "math-500_1", "ceval-law", "ceval-art"):
        put(folder, f"{name}.json", rows)

    points = OpenCompassReader(tmp_path, (("math-500", 500), ("ceval-*", 0)), log).read()

    assert list(points) == ["", "math-500", "ceval-*"]
    assert points["math-500"]["answered"] == points["ceval-*"]["answered"] == 4
    assert points[""]["total"] == 0  # of one it is not known


# -- the client of a benchmark --------------------------------------------------------------------


def test_a_count_that_no_client_can_reach_is_none(tmp_path):
    reader = ProgressReader(tmp_path, (("1", 4),), tmp_path / "log")
    (tmp_path / "client.jsonl").write_text(json.dumps({"sent": 10**400, "done": 2}) + "\n")

    assert counts_of(reader.read()[""], "sent", "done") == (0, 2)


def test_the_last_line_of_the_clients_progress_counts(tmp_path):
    reader = ProgressReader(tmp_path, (("1", 4), ("2", 4)), tmp_path / "log")
    before = reader.read()[""]
    lines = [{"t": 1.0, "sent": n, "done": n - 1, "tokens": 9 * n, "level": 2} for n in (1, 2, 3)]
    path = tmp_path / "client.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"sent": 9')

    after = reader.read()[""]

    assert counts_of(before, "sent", "done", "total") == (0, 0, 8)
    assert counts_of(after, "sent", "done", "failed", "tokens", "level") == (3, 2, 0, 27, 2)
    path.write_text(path.read_text() + "}\n[]\nx\n")
    assert reader.read()[""] == after


@pytest.mark.parametrize(
    ("source", "requests"),
    [
        (DATA / "vllm-0.7.2" / "benchmark_serving_ok.txt", 20),
        (DATA / "vllm-0.32" / "bench" / "serve_random_chat.stdout", 12),
    ],
)
def test_bars_of_vllms_benchmark_are_its_requests(tmp_path, source, requests):
    bars = source.with_suffix(".stderr")
    text = source.read_text() + (bars.read_text() if bars.exists() else "")
    log = tmp_path / "log"
    log.write_text(text * 2 + "Failed requests:                         3\n")

    point = BenchLogReader(tmp_path, (("1", requests), ("4", requests)), log).read()[""]

    counts = (2 * requests, 3, 2 * requests, 4)
    assert counts_of(point, "done", "failed", "total", "level") == counts


def test_an_offline_benchmark_reports_its_rate(tmp_path):
    bar = "Processed prompts:  40%|████ | 4/10 [00:05<00:07, 1.2s/it, est. speed input: 90.3 toks/s"
    log = tmp_path / "log"
    log.write_text(f"{bar}, output: 22.57 toks/s]\r")

    point = BenchLogReader(tmp_path, (("", 10),), log).read()[""]

    assert counts_of(point, "done", "total", "rate") == (4, 10, 22.57)


# -- dies -----------------------------------------------------------------------------------------

VASMI = """#!/bin/sh
for die in 0 1 2; do
  case $1 in
    gettemp) echo "device $die: $((60 + die)) C" ;;
    getpwr) echo "device $die: 20.5 W" ;;
  esac
done
"""


def test_power_is_the_sum_over_dies_and_temperature_the_maximum(tmp_path, monkeypatch):
    program = tmp_path / "vasmi"
    program.write_text(VASMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    points = DiesReader("0,1").read()

    assert points == {"": {"power_w": 41.0, "temp_c": 61.0}}
    assert DiesReader("").read() == {}


# -- the watch ------------------------------------------------------------------------------------


def test_each_reader_is_made_from_a_watch(tmp_path):
    for name in READERS:
        watch = Watch("x", reader=name, folder=str(tmp_path), expected=PARTS)
        assert name == "dies" or "" in reader_of(watch, tmp_path).read()
    assert reader_of(Watch("x", reader="newer"), tmp_path) is None


def test_reader_points_are_written_on_change_and_at_the_end(tmp_path):
    points = scraper.PointsFile(tmp_path / "points.jsonl", endless=False)
    counted = Counted(points, "accuracy")
    for second in range(10):
        counted.add(second, {"": {"answered": 10_000 + second}, "a": {"answered": 1}})
    counted.add(10, {"": {"answered": 10_010}}, is_last=True)

    lines = [json.loads(line) for line in (tmp_path / "points.jsonl").read_text().splitlines()]
    assert [(line["w"], line["t"], line["v"]["answered"]) for line in lines] == [
        ("accuracy", 0, 10_000),
        ("accuracy/a", 0, 1),
        ("accuracy", 10, 10_010),
    ]


def test_the_last_look_comes_after_the_last_line(tmp_path, growing):
    watch = Watch("accuracy", reader="evalscope", folder=str(growing.folder), interval_s=3600)
    scraper = Scraper([watch], tmp_path / "points.jsonl")
    shutil.copytree(OWN, growing.folder)
    scraper.stop()

    lines = [json.loads(line) for line in (tmp_path / "points.jsonl").read_text().splitlines()]
    assert [line["v"]["scored"] for line in lines if line["w"] == "accuracy"][-1] == 26


def test_a_reader_that_breaks_ends_no_job(tmp_path, monkeypatch, caplog):
    class Broken:
        IS_STEADY = READS_AT_END = False

        def read(self):
            raise ValueError("x")

    monkeypatch.setitem(READERS, "broken", lambda *_: Broken())
    scraper = Scraper([Watch("x", reader="broken", interval_s=0.01)], tmp_path / "points.jsonl")
    scraper.stop()

    assert "a reader failed" in caplog.text


def tell(compass, *rows):
    with (compass.run.parent / ".asked.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return compass()


def test_own_questions_count_as_each_is_answered(compass):
    of_set = {"set": "math-500", "prompt": "a"}
    rows = [of_set | {"right": True}, of_set | {"prompt": "b", "right": False, "finish": "length"}]
    rows += [of_set | {"prompt": "c", "error": "500"}, {"prompt": "d", "right": True}]
    first = tell(compass, *rows, {"set": []}, 1, {"set": "unknown", "prompt": "e", "right": True})
    first = first["math-500"]
    again = tell(compass, of_set | {"prompt": "c", "right": True})

    counts = {"answered": 2, "scored": 2, "right": 1, "cut": 1, "errors": 1, "total": 6}
    assert first == counts
    assert again["math-500"] == counts | {"answered": 3, "scored": 3, "right": 2, "errors": 0}
    assert again[""]["scored"] == 3


def test_a_failed_sample_stays_failed_until_it_is_asked_again(compass):
    of_prompt = {"set": "math-500", "prompt": "a", "samples": 3}

    def errors_after(*more):
        counts = tell(compass, *(of_prompt | row for row in more))["math-500"]
        return counts["answered"], counts["errors"]

    assert errors_after({"right": True}, {"error": "500"}) == (1, 1)
    assert errors_after({"right": True}) == (2, 1)  # another sample
    assert errors_after({"error": "500"}) == (2, 1)  # the failed one, asked again
    assert errors_after({"right": True}) == (3, 0)
