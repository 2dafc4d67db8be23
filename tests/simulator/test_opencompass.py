"""OpenCompass 0.4.1: console, files and exit code of the captures; scores of the questions."""

import csv
import json
import re
import signal
from pathlib import Path

from tests.simulator.host import Host, configured
from tests.simulator.vllm import OLD, serving
from tests.waiting import until

CAPTURES = Path(__file__).parent.parent / "data/opencompass-0.4.1"


def shape(text: str) -> list[str]:
    """Lines without bars, times, paths of ours and scores."""
    lines = []
    for line in re.split(r"[\r\n]", text):
        if "%|" in line or not line.strip():
            continue
        line = re.sub(r"^\d\d/\d\d \d\d:\d\d:\d\d", "T", line)
        line = re.sub(r"\d{8}_\d{6}", "STAMP", re.sub(r"to \S+/outputs", "to outputs", line))
        lines.append(re.sub(r" +", " ", re.sub(r"\d+\.\d\d\b", "N", line)).rstrip())
    return lines


def run_folder(host: Host) -> Path:
    (folder,) = (host.workspace / "outputs/default").glob("2*")
    return folder


def test_a_dry_run_prints_three_lines_and_makes_configs_only(prepared):
    done = prepared.run("opencompass", configured(prepared), "--dry-run")

    assert done.returncode == 0, done.stderr
    assert shape(done.stdout) == shape((CAPTURES / "console/dry.txt").read_text())
    assert [path.name for path in run_folder(prepared).iterdir()] == ["configs"]


def test_missing_data_ends_the_dry_run_with_one(prepared):
    (prepared.workspace / "data/math/test_prm800k_500.jsonl").unlink()
    (prepared.workspace / "data/math").rmdir()

    done = prepared.run("opencompass", configured(prepared), "--dry-run")

    capture = (CAPTURES / "console/dry_missing.txt").read_text()
    assert done.returncode == 1
    assert shape(done.stdout)[:3] == shape(capture)[:3]
    assert done.stderr.splitlines()[-1] == capture.rstrip().splitlines()[-1]


def test_a_run_prints_and_writes_what_was_captured(prepared, old):
    done = prepared.run("opencompass", configured(prepared, old))

    assert done.returncode == 0, done.stderr
    capture = (CAPTURES / "console/run.txt").read_text()
    assert shape(done.stdout) == shape(capture)
    folder = run_folder(prepared)
    log = (folder / "logs/infer/deepseek-r1-va16/cluewsc-dev.out").read_bytes().decode()
    for part in (
        " - OpenCompass - INFO - Start inferencing [deepseek-r1-va16/math-500]\n",
        "[INFO] Starting inference process...\n",
        "\r100%|██████████| 6/6 [",
        "\rInferencing: 100%|██████████| 4/4 [",
        " - OpenCompass - INFO - time elapsed: ",
    ):
        assert part in log
    stamp = folder.name
    theirs = CAPTURES / "20261124_140927"
    mine = {_plain(path, folder, stamp) for path in folder.rglob("*") if path.is_file()}
    expected = {_plain(path, theirs, theirs.name) for path in theirs.rglob("*") if path.is_file()}
    assert mine - {"configs"} == expected - {"configs"}
    text = (folder / f"summary/summary_{stamp}.txt").read_text()
    captured = (theirs / f"summary/summary_{theirs.name}.txt").read_text()
    raw = re.compile(r"'accuracy': [\d.]+")
    assert shape(raw.sub("", text)) == shape(raw.sub("", captured))


def _plain(path: Path, folder: Path, stamp: str) -> str:
    name = path.relative_to(folder).as_posix().replace(stamp, "STAMP")
    return "configs" if name.startswith("configs/") else name


def test_the_score_is_the_count_of_what_was_asked(prepared, old):
    prepared.run("opencompass", configured(prepared, old), env={"STANDIN_QUESTIONS": "40"})

    folder = run_folder(prepared)
    predictions = folder / "predictions/deepseek-r1-va16/cluewsc-test.json"
    asked = json.loads(predictions.read_text()).values()
    right = [item["prediction"].endswith(f"答案是{item['gold']}。") for item in asked]
    rows = list(csv.reader((folder / f"summary/summary_{folder.name}.csv").open()))
    assert len(right) == 40
    assert 20 < sum(right) < 40  # it is not always right
    assert rows[2] == ["cluewsc-test", "5ab83b", "accuracy", "gen", f"{100 * sum(right) / 40:.2f}"]


def test_a_server_that_is_not_there_ends_with_zero_and_dashes(prepared):
    done = prepared.run("opencompass", configured(prepared))

    capture = (CAPTURES / "console/run_fail.txt").read_text()
    lines = [line for line in shape(capture) if "_launch - 241" not in line]
    lines = [line for line in lines if not line.startswith("outputs/default/STAMP/logs")]
    assert done.returncode == 0
    assert shape(done.stdout) == lines
    assert " fail, see\noutputs/default/" in done.stderr
    log = run_folder(prepared) / "logs/infer/deepseek-r1-va16/cluewsc-dev.out"
    assert log.read_text().splitlines()[-1] == (
        "RuntimeError: Calling OpenAI API failed after retrying for 2 times. "
        "Check the logs for details."
    )


def test_a_killed_run_goes_on_with_reuse(prepared):
    with serving(prepared, OLD, STANDIN_SPEED="200") as (url, _):
        config = configured(prepared, url)
        with prepared.started("opencompass", config) as first:
            base = prepared.workspace / "outputs/default"
            until(lambda: list(base.glob("*/predictions/*/cluewsc-dev.json")))
            first.popen.send_signal(signal.SIGKILL)
            first.wait()
        kept = next(base.glob("*/predictions/*/cluewsc-dev.json"))
        before = kept.stat().st_mtime_ns
        done = prepared.run("opencompass", config, "-r")

    assert done.returncode == 0
    assert kept.stat().st_mtime_ns == before
    assert (run_folder(prepared) / "results/deepseek-r1-va16/math-500.json").is_file()


def test_answers_are_scored_by_themselves_once(prepared, old):
    asked = prepared.run("opencompass", configured(prepared, old), "-m", "infer")
    folder = run_folder(prepared)
    assert asked.returncode == 0
    assert not (folder / "results").exists() and not (folder / "summary").exists()
    (folder / "predictions/deepseek-r1-va16/math-500.json").rename(folder / "kept")
    refused = prepared.run("opencompass", "eval_ds.py", "-m", "eval")
    assert refused.returncode == 1
    assert "You must specify -r or --reuse" in refused.stderr

    first = prepared.run("opencompass", "eval_ds.py", "-m", "eval", "-r", folder.name)
    scores = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/*/*.json")}
    (folder / "kept").rename(folder / "predictions/deepseek-r1-va16/math-500.json")
    second = prepared.run("opencompass", "eval_ds.py", "-m", "eval", "-r")

    assert f"Reusing experiements from {folder.name}\n" in first.stdout
    assert "Partitioned into 3 tasks." in first.stdout
    assert sorted(scores) == ["cluewsc-dev.json", "cluewsc-test.json"]
    assert "Partitioned into 1 tasks." in second.stdout  # of those without a score
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("results/*/*.json")}
    assert again.keys() - scores.keys() == {"math-500.json"}
    assert all(again[name] == at for name, at in scores.items())


def test_an_unknown_option_or_data_set_is_refused(prepared):
    option = prepared.run("opencompass", "x.py", "--nope")
    (prepared.workspace / "bad.py").write_text(
        "from opencompass.configs.datasets.x import frob_datasets\n"
        "datasets = frob_datasets\nmodels = []\n"
    )
    data = prepared.run("opencompass", "bad.py")

    assert option.returncode == 2
    assert option.stderr.endswith("opencompass: error: unrecognized arguments: --nope\n")
    assert data.returncode == 1
    assert "ImportError: cannot import name 'frob_datasets'" in data.stderr
