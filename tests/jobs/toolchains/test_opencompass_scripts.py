"""The scripts that show and collect a run of OpenCompass, as processes of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from jobs.toolchains.site import SCRIPTS
from tests.jobs.lib.target import DATA, files_below

REAL = DATA / "opencompass-0.4.1" / "20261124_140927"
# What OpenCompass does, in small: a log of its task that grows while its console says nothing.
TOOL = """
import pathlib, sys, time
log = pathlib.Path("outputs/20261124_140927/logs/infer/m/first.out")
log.parent.mkdir(parents=True)
print("Partitioned into 1 tasks.", flush=True)
with log.open("w") as file:
    for name in ("m/first", "m/second"):
        file.write(f"Start inferencing [{name}]\\n 50%|##   | 1/2 [00:01<00:01]\\r")
        file.flush()
        time.sleep(float(sys.argv[1]))
        file.write("100%|#####| 2/2 [00:02<00:00]\\n")
        file.flush()
sys.exit(int(sys.argv[2]))
"""


def run(name, *args, cwd):
    return subprocess.run(
        [sys.executable, str(SCRIPTS / name), *map(str, args)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def follow(tmp_path, *args):
    return run("follow_run.py", "outputs", 2, sys.executable, "-c", TOOL, *args, cwd=tmp_path)


def test_the_inference_log_is_shown_with_set_numbers(tmp_path):
    done = follow(tmp_path, 0.01, 0)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "Partitioned into 1 tasks."
    assert lines[1:] == [
        "[   1/   2] m/first",
        "Start inferencing [m/first]",
        *(" 50%|##   | 1/2 [00:01<00:01]", "100%|#####| 2/2 [00:02<00:00]"),
        "[   2/   2] m/second",
        "Start inferencing [m/second]",
        *(" 50%|##   | 1/2 [00:01<00:01]", "100%|#####| 2/2 [00:02<00:00]"),
    ]


def test_the_exit_code_is_the_tool_s(tmp_path):
    assert follow(tmp_path, 0.01, 7).returncode == 7


def test_logs_of_an_earlier_run_are_not_shown_again(tmp_path):
    old = tmp_path / "outputs/20251124_000000/logs/infer/m/first.out"
    old.parent.mkdir(parents=True)
    old.write_text("Start inferencing [m/old]\n")

    assert "m/old" not in follow(tmp_path, 0.01, 0).stdout


def test_a_signal_ends_the_tool_too(tmp_path):
    popen = subprocess.Popen(
        [
            *(sys.executable, str(SCRIPTS / "follow_run.py"), "outputs", "2"),
            *(sys.executable, "-c", TOOL, "600", "0"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert popen.stdout.readline() == "Partitioned into 1 tasks.\n"

    popen.send_signal(signal.SIGTERM)

    assert popen.wait(30) == 128 + signal.SIGTERM
    popen.stdout.close()


@pytest.fixture
def outputs(tmp_path):
    """Two runs in a checkout: ours, and a newer one of another person."""
    for stamp, score in (("20261124_140927", 50.0), ("20261124_150000", 99.0)):
        path = tmp_path / "checkout" / stamp / "results" / "m" / "set.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"accuracy": score}))
        (tmp_path / "checkout" / stamp / "configs").mkdir()
    return tmp_path / "checkout"


def test_the_run_that_the_job_s_log_names_last_is_copied(outputs, tmp_path):
    log = tmp_path / "log"
    log.write_bytes(
        b"INFO - Current exp folder: outputs/default/20261124_130000\n"
        b"\x1b[32mINFO\x1b[0m - Current exp folder: outputs/default/20261124_140927\n"
    )

    done = run("collect_run.py", outputs, log, "outputs", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert files_below(tmp_path / "outputs") == {
        "20261124_140927/results/m/set.json": b'{"accuracy": 50.0}'
    }


def test_by_hand_without_a_log_it_is_the_newest(outputs, tmp_path):
    run("collect_run.py", outputs, tmp_path / "log", "outputs", cwd=tmp_path)

    assert list(files_below(tmp_path / "outputs")) == ["20261124_150000/results/m/set.json"]


def test_a_run_that_left_nothing_is_a_failure(tmp_path):
    (tmp_path / "log").write_bytes(b"Current exp folder: outputs/default/20261124_140927\n")
    (tmp_path / "checkout" / "20261124_140927" / "configs").mkdir(parents=True)

    done = run("collect_run.py", tmp_path / "checkout", tmp_path / "log", "outputs", cwd=tmp_path)

    assert done.returncode == 1
    assert "holds nothing of a run" in done.stderr


# OpenCompass's modules, in small: a client whose answers are numbered.
STUBS = {
    "datasets": "Dataset = object",
    "opencompass/datasets/base": "BaseDataset = object",
    "opencompass/openicl/icl_evaluator": "BaseEvaluator = object",
    "opencompass/models": """
class OpenAISDK:
    asked = []
    def _generate(self, input, max_out_len, temperature):
        self.asked.append(input[0]["prompt"])
        return f"answer {len(self.asked)}"
""",
}
ASK = """
import json, sys
from opencompass_questions import Client
client = Client()
said = [client._generate([{"role": "HUMAN", "prompt": one}], 9, 0.0) for one in sys.argv[1:]]
print(json.dumps([said, client.asked]))
"""


def ask(folder, *prompts, script=ASK):
    """Return a new process's answers to prompts, and the prompts that reached the engine."""
    for name, text in STUBS.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "outputs/run/predictions/model").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", script, *prompts],
        cwd=folder,
        env={"PYTHONPATH": f"{SCRIPTS}:{SCRIPTS.parents[1] / 'host'}:{folder}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


SCORED = """
import json, shutil, sys
from pathlib import Path
shutil.copy(SCRIPT, "files")
sys.path.insert(0, "files")
from opencompass_questions import Client, prompt_of
record = json.loads(Path("files/short_en.jsonl").read_text())
Client()._generate([{"role": "HUMAN", "prompt": prompt_of(record)}], 9, 0.0)
print("[]")
"""


def test_each_answer_is_scored_as_it_comes(tmp_path):
    record = {"id": "q", "language": "en", "question": "Which number?", "answers": ["1"]}
    (tmp_path / "files").mkdir()
    (tmp_path / "files/short_en.jsonl").write_text(json.dumps(record) + "\n")
    script = SCORED.replace("SCRIPT", repr(str(SCRIPTS / "opencompass_questions.py")))

    ask(tmp_path, script=script)

    (line,) = (tmp_path / "outputs/.asked.jsonl").read_text().splitlines()
    assert (json.loads(line)["subset"], json.loads(line)["right"]) == ("short_en", True)


def test_an_answer_that_opencompass_had_not_saved_is_not_asked_again(tmp_path):
    assert ask(tmp_path, "a", "b", "b") == [["answer 1", "answer 2", "answer 3"], ["a", "b", "b"]]
    saved = [{"origin_prompt": [{"role": "HUMAN", "prompt": one}]} for one in ("a", "b")]
    lines = "".join(json.dumps(line) + "\n" for line in saved) + '{"origin_pro'
    (tmp_path / "outputs/run/predictions/model/tmp_set.jsonl").write_text(lines)

    assert ask(tmp_path, "b", "b", "c") == [["answer 3", "answer 1", "answer 2"], ["b", "c"]]
