"""The scripts that show and collect a run of OpenCompass, as processes of their own."""

import json
import signal
import subprocess
import sys

import pytest

from jobs.tools.evalscope.commands import scoring_rules
from jobs.tools.evalscope.scripts.ask_and_score import PROMPTS
from tests.jobs.lib.scripts import SCRIPTS, run_script
from tests.jobs.lib.target import DATA, files_below
from tests.waiting import PATIENCE_S

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


def follow(tmp_path, *args):
    command = (sys.executable, "-c", TOOL, *args)
    return run_script("follow_run.py", "outputs", 2, *command, cwd=tmp_path)


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


def test_the_exit_code_is_the_tool_s_and_earlier_logs_are_not_shown(tmp_path):
    old = tmp_path / "outputs/20251124_000000/logs/infer/m/first.out"
    old.parent.mkdir(parents=True)
    old.write_text("Start inferencing [m/old]\n")

    done = follow(tmp_path, 0.01, 7)

    assert (done.returncode, "m/old" in done.stdout) == (7, False)


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

    assert popen.wait(PATIENCE_S) == 128 + signal.SIGTERM
    popen.stdout.close()


# Asks two sets, the second one after it was tried to score the first.
ASKS_AND_SCORES = """
import json, os, pathlib, sys, time
run = pathlib.Path("outputs/20261124_140927")
mode = [after for word, after in zip(sys.argv, sys.argv[1:]) if word == "-m"][-1]
def write(name, data):
    path = run / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".new").write_text(json.dumps(data))
    path.with_suffix(".new").rename(path)
if mode == "infer":
    write("predictions/m/tmp_first.json", {})
    write("predictions/m/first.json", {})
    while not (run / "tried").exists():
        time.sleep(0.01)
    write("predictions/m/tmp_second.json", {})
else:
    assert sys.argv[-1] == run.name and os.environ["SCORE_SETS"] == "first", sys.argv
    write(f"summary/summary_{run.name}.csv", "only first")
    if sys.argv[1] == "scores":
        write("results/m/first.json", {"accuracy": 50.0})
    (run / "tried").touch()
    print("what it says")
    sys.exit(sys.argv[1] != "scores")
"""


def ask_and_score(tmp_path, word):
    command = (sys.executable, "-c", ASKS_AND_SCORES, word, "-m", "infer")
    return run_script("follow_run.py", "outputs", 2, *command, cwd=tmp_path)


def test_an_answered_set_is_scored_while_the_next_is_asked(tmp_path):
    done = ask_and_score(tmp_path, "scores")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["Scored: first"]
    files = files_below(tmp_path / "outputs/20261124_140927")
    assert files["results/m/first.json"] == b'{"accuracy": 50.0}'
    assert not [path for path in files if path.startswith("summary")]  # that of all comes last


def test_a_failed_scoring_is_left_to_the_last_step(tmp_path):
    done = ask_and_score(tmp_path, "fails")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["Not scored yet: first", "what it says", ""]


def test_a_score_that_a_kill_cut_off_is_made_again(tmp_path):
    torn = tmp_path / "outputs/20261124_140927/results/m/first.json"
    torn.parent.mkdir(parents=True)
    torn.write_text('{"accuracy": 5')

    ask_and_score(tmp_path, "scores")

    assert torn.read_text() == '{"accuracy": 50.0}'


@pytest.fixture
def outputs(tmp_path):
    """Two runs in a checkout: ours, and a newer one of another person."""
    for stamp, score in (("20261124_140927", 50.0), ("20261124_150000", 99.0)):
        path = tmp_path / "checkout" / stamp / "results" / "m" / "set.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"accuracy": score}))
        (tmp_path / "checkout" / stamp / "configs").mkdir()
    return tmp_path / "checkout"


LOG = (
    b"INFO - Current exp folder: outputs/default/20261124_130000\n"
    b"\x1b[32mINFO\x1b[0m - Current exp folder: outputs/default/20261124_140927\n"
)


@pytest.mark.parametrize(
    ("log", "stamp"),
    [(LOG, "20261124_140927"), (None, "20261124_150000")],
    ids=["that the log names last", "by hand: the newest"],
)
def test_one_run_is_copied(outputs, tmp_path, log, stamp):
    if log:
        (tmp_path / "log").write_bytes(log)

    done = run_script("collect_run.py", outputs, tmp_path / "log", "outputs", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    path = f"{stamp}/results/m/set.json"
    assert files_below(tmp_path / "outputs") == {path: (outputs / path).read_bytes()}


def test_a_run_that_left_nothing_is_a_failure(tmp_path):
    (tmp_path / "log").write_bytes(b"Current exp folder: outputs/default/20261124_140927\n")
    (tmp_path / "checkout" / "20261124_140927" / "configs").mkdir(parents=True)

    done = run_script(
        "collect_run.py", tmp_path / "checkout", tmp_path / "log", "outputs", cwd=tmp_path
    )

    assert done.returncode == 1
    assert "holds nothing of a run" in done.stderr


# OpenCompass's modules, in small: a client whose answers are numbered.
STUBS = {
    "datasets": "Dataset = object",
    "opencompass/datasets/base": "BaseDataset = object",
    "opencompass/openicl/icl_evaluator": "BaseEvaluator = object",
    "opencompass/models": """
class OpenAISDK:
    asked, http_client_cfg = [], {}
    def _create_fresh_client(self):
        return self
    def with_options(self, **options):
        return options
    def _generate(self, input, max_out_len, temperature):
        self.asked.append(input[0]["prompt"])
        return f"<think>answer 1</think>answer {len(self.asked)}"
""",
}
ASK = """
import json, sys
from opencompass_questions import Client
client = Client()
answers = [client._generate([{"role": "HUMAN", "prompt": one}], 9, 0.0) for one in sys.argv[1:]]
print(json.dumps([[text.rpartition(">")[2] for text in answers], client.asked]))
assert client._create_fresh_client() == {"max_retries": 0}
"""


def ask(job, *prompts):
    """Return a new process's answers to prompts, and the prompts that reached the engine."""
    folder = job / "work"
    for name, text in STUBS.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for file in scoring_rules():
        (folder / file.name).write_text(file.text)
    (folder / "outputs/run/predictions/model").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", ASK, *prompts],
        cwd=folder,
        env={"PYTHONPATH": f"{SCRIPTS}:{folder}", "SAMPLES": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_an_answer_that_opencompass_had_not_saved_is_not_asked_again(tmp_path):
    assert ask(tmp_path, "a", "b", "b") == [["answer 1", "answer 2", "answer 3"], ["a", "b", "b"]]
    saved = [{"origin_prompt": [{"role": "HUMAN", "prompt": one}]} for one in ("a", "b")]
    lines = "".join(json.dumps(line) + "\n" for line in saved) + '{"origin_pro'
    (tmp_path / "work/outputs/run/predictions/model/tmp_set.jsonl").write_text(lines)

    assert ask(tmp_path, "b", "b", "c") == [["answer 3", "answer 1", "answer 2"], ["b", "c"]]


def test_each_answer_is_scored_as_it_comes(tmp_path):
    # The thought names the right answer each time, and does not count.
    question = {"id": "q", "language": "en", "question": "Say answer 1.", "answers": ["answer 1"]}
    (tmp_path / "files").mkdir()
    (tmp_path / "files/short_en.jsonl").write_text(json.dumps(question) + "\n")
    prompt = PROMPTS["short_answers", "en"].format(question=question["question"])

    ask(tmp_path, prompt, prompt, "of no file")

    lines = (tmp_path / "work/outputs/.asked.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row.get("samples") for row in rows] == [2, 2, None]
    assert [(row.get("set"), row.get("right")) for row in rows] == [
        *(("short_en", True), ("short_en", False), (None, None)),
    ]
