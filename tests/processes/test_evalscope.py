"""Real benchmarks and evaluations by EvalScope, of engines whose answers a test decides."""

import html
import json
import re
import subprocess
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import BY_EVALSCOPE
from tests.api import until
from tests.dashboard.lib.logged_in import LoggedIn
from tests.faults.proxy import Loop, Proxy
from tests.jobs.lib import scripted_engine

pytestmark = pytest.mark.processes

PERMIT = "from jobs.access import sources; sources.add('endpoint', '{url}', user=None)"


@pytest.fixture
def api(with_evalscope):
    return with_evalscope


@contextmanager
def engine(api, reply, delay_s=0.0):
    """A running engine, and its key in forms as an endpoint of the dashboard."""
    with scripted_engine.engine() as running:
        running.reply, running.delay_s = reply, delay_s
        api.stack.shell(PERMIT.format(url=running.url))
        name = f"engine-{running.port}"
        made = api.ask("endpoints", {"name": name, "url": running.url, "device": name})
        yield running, f"endpoint:{made['id']}"


KEY = "sk-not-a-real-one-0123456789"
KEEP_KEY = """
from jobs.access import secrets
secrets.keep("H800_KEY", "{key}", purpose="engine", endpoints=["{url}"])
"""


@contextmanager
def distant(served):
    """Address of an engine behind a proxy of 300 ms."""
    loop = Loop()
    proxy = Proxy(loop, lambda: served.port)
    proxy.set("distant")
    try:
        yield f"http://127.0.0.1:{proxy.port}"
    finally:
        proxy.close()
        loop.close()


def command_lines():
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += path.read_bytes()
        except OSError:
            continue
    return found


def files_with(folder, word):
    """Files with a word. Environments of tools are left out."""
    command = ["grep", "-rlaF", "--exclude-dir=environments", "--devices=skip", word, str(folder)]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def test_a_benchmark_of_an_endpoint_keeps_its_key(api):
    with scripted_engine.engine(KEY) as served:
        api.stack.shell(PERMIT.format(url=served.url))
        api.stack.shell(KEEP_KEY.format(url=served.url, key=KEY))
        asked = {"name": "H800 with a key", "url": f"{served.url}/v1", "api_key": "H800_KEY"}
        device = {"device": "8 × H800", "devices": 8}
        made = api.ask("endpoints", {**asked, **device})
        assert (made["answers"], made["model"]) == (True, scripted_engine.MODEL)
        load = {"concurrency": [1], "requests": 2, "output_tokens": 4}
        number = api.launch("benchmark", deployment=f"endpoint:{made['id']}", **load)
        secrets, lines = api.spool(number) / "secrets.json", b""
        modes, deadline = set(), time.monotonic() + 600
        while (state := api.job(number)["state"]) != "succeeded" and time.monotonic() < deadline:
            assert state in ("queued", "starting", "running"), api.raw(f"jobs/{number}/log?from=0")
            lines += command_lines()
            modes |= {secrets.stat().st_mode & 0o777} if secrets.exists() else set()
            time.sleep(0.2)

    job = api.job(number)
    result = api.ask(f"results/{job['result']}")
    assert (result["endpoint"], result["device"]) == (made["id"], "8 × H800")
    assert (result["metrics"]["requests"], result["metrics"]["failed_requests"]) == (2, 0)
    assert result["identity"]["unknown"] == []
    assert result["identity"]["parts"]["engine"] == {
        "engine_name": "vllm",
        "engine_version": "0.9.1",
    }
    posts = [given for path, given in served.asked if path == "/v1/chat/completions"]
    assert len(posts) >= 2
    assert set(posts) == {f"Bearer {KEY}"}
    assert {given for path, given in served.asked if path == "/metrics"} == {f"Bearer {KEY}"}
    # The key was in the host's own file while the job ran, and is nowhere now.
    assert modes <= {0o600}
    assert KEY.encode() not in lines
    assert files_with(api.stack.data_dir, KEY) == []
    assert files_with(api.stack.data_dir, "H800_KEY") != []
    shown = api.raw(f"jobs/{number}") + api.raw(f"jobs/{number}/log?from=0")
    assert KEY.encode() not in shown + api.raw(f"results/{job['result']}") + api.raw("endpoints")
    assert KEY not in api.stack.output


def test_a_proxy_of_300_ms_is_found_by_client_against_engine(api):
    with scripted_engine.engine() as served, distant(served) as url:
        api.stack.shell(PERMIT.format(url=url))
        about = {"name": "Distant", "url": f"{url}/v1", "device": "8 × H800", "devices": 8}
        made = api.ask("endpoints", about)
        load = {"concurrency": [1, 2], "requests": 8, "output_tokens": 16}
        number = api.launch("benchmark", deployment=f"endpoint:{made['id']}", **load)
        job = api.ended(number, 600)

    assert job["state"] == "succeeded", job["message"]
    page = LoggedIn(api.stack).html(f"results/{job['result']}/")
    found = re.search(r"TTFT is ([0-9]+) ms longer for the client, ([a-z ]+)", html.unescape(page))
    assert found is not None, page
    assert 300 <= int(found[1]) < 600
    assert found[2] == "at every concurrency"


def test_an_engine_that_closes_kept_connections_loses_no_request(api):
    with engine(api, lambda text: "Paris.") as (served, key):
        served.closes_kept = True
        load = {"concurrency": [1, 4], "requests": 12, "output_tokens": 4}
        speed = api.launch("benchmark", deployment=key, **load)
        answers = api.launch("evaluate", deployment=key, limit=20, retries=0)
        for number in (speed, answers):
            assert api.ended(number)["state"] == "succeeded", api.raw(f"jobs/{number}/log?from=0")

    assert api.result(speed)["metrics"]["requests"] == 12
    assert api.result(speed)["totals"]["failed_requests"] == 0
    counts = api.result(answers)["metrics"]
    assert (counts["answers_total"], counts["answers_failed"]) == (20, 0)
    assert served.lost == []


BASICS = QUESTION_SETS["basics"].questions


def right(text):
    return next(one.answers[0] for one in BASICS if one.question in text)


def test_a_worse_engine_is_told_before_all_questions_are_asked(api):
    with (
        engine(api, right) as (good, base),
        engine(api, lambda text: "I do not know.", delay_s=1) as (bad, other),
    ):
        whole = api.launch("evaluate", deployment=base, max_tokens=32)
        assert api.ended(whole)["state"] == "succeeded"
        assert len(good.questions) == len(BASICS)
        asked = {"deployment": other, "max_tokens": 32, "batch": 2}
        rule = {"stop_early": True, "baseline": api.result(whole)["id"], "margin": 5.0}
        stopped = api.launch("evaluate", **asked, **rule)
        looks = api.spool(stopped) / "work/eval/looks.jsonl"
        until(lambda: looks.is_file() and looks.read_text().count("\n") == 1, "a look")
        until(lambda: len(bad.questions) > 18, "the second look asks")
        api.ask(f"jobs/{stopped}/cancel", {})
        assert api.ended(stopped)["state"] == "cancelled"

        job = api.ask(f"jobs/{stopped}/resume", {})["id"]

        done, log = api.ended(job), api.raw(f"jobs/{job}/log?from=0").decode()
        assert done["state"] == "succeeded", log
        look = json.loads((api.spool(job) / "work/eval/looks.jsonl").read_text().splitlines()[-1])
        assert (look["decision"], look["questions"]) == ("worse", len(BASICS))
        times = Counter(bad.questions)
        assert len(times) == look["asked"] < len(BASICS)
        # Only those that were under way when the job was cancelled.
        assert sum(count - 1 for count in times.values()) <= asked["batch"]
        assert log.count("Look 1 of 10") == 1
        first, second = api.result(whole), api.result(job)
        assert second["metrics"]["questions"] == look["asked"]
        assert second["metrics"]["planned_questions"] == len(BASICS)
        stated = api.ask(f"parity?base={first['id']}&id={second['id']}&margin=5")
        assert stated["planned_questions"] == len(BASICS)
        assert stated["verdict"] == "worse"
        assert stated["pooled"]["difference_points"] == pytest.approx(100 * look["difference"])
        assert stated["pooled"]["low_points"] == pytest.approx(100 * look["low"])


FORTY = QUESTION_SETS["basics"].part(40)
SHOWN = """
import json
from jobs.models import Result
from jobs.queries.results.answer_flags import hygiene, is_doubtful
result = Result.objects.get(pk={})
known = hygiene(result)
(failed,) = [one for one in known.flags if one.flag == "failed"]
bounds = (failed.low, failed.high, is_doubtful(result))
print(json.dumps([result.answers.count(), known.unscored, *bounds]))
"""
FAILING, WRONG, RETRIES = FORTY[3:5], FORTY[5:16], 1


def said(text):
    """The answer to a question; None where the engine fails."""
    asked = next(one for one in FORTY if one.question in text)
    if asked in FAILING:
        return None
    return "I do not know." if asked in WRONG else asked.answers[0]


def test_failed_requests_stay_in_rows_flags_and_bounds(api):
    with engine(api, said) as (served, key):
        asked = {"deployment": key, "limit": len(FORTY)}
        job = api.launch("evaluate", **asked, retries=RETRIES)
        ended = api.ended(job)
        assert ended["state"] == "succeeded", api.raw(f"jobs/{job}/log?from=0").decode()

    times = Counter(
        next(one.id for one in FORTY if one.question in text) for text in served.questions
    )
    assert times == {one.id: 1 + RETRIES * (one in FAILING) for one in FORTY}
    result = api.result(job)
    metrics = result["metrics"]
    assert (metrics["questions"], metrics["answers_total"]) == (38, 40)
    assert metrics["answers_failed"] == 2
    assert metrics["accuracy"] == pytest.approx(27 / 38)
    output = api.stack.shell(SHOWN.format(result["id"].removeprefix("res-")))
    rows, unscored, low, high, is_doubtful = json.loads(output)
    assert (rows, unscored, is_doubtful) == (40, 2, True)
    assert (low, high) == (pytest.approx(27 / 40), pytest.approx(29 / 40))


KIND, SETS = "evaluate-evalscope", ("gsm8k", "math_500")
# Parts and splits that EvalScope reads, by its own account.
OWN = """
import json, sys
from evalscope.api.registry import get_benchmark
from evalscope.config import TaskConfig
own = {}
for name in sys.argv[1:]:
    one = get_benchmark(name, TaskConfig(datasets=[name], model="x"))
    parts = [one.default_subset] if one.reformat_subset else list(one.subset_list)
    examples = [one.train_split] if one._should_load_fewshot() else []
    own[name] = [["" if part == "default" else part for part in parts], [one.eval_split, *examples]]
print(json.dumps(own))
"""
# Parts of a repository, as the card on a hub names them.
CARD = """\
---
configs:
- config_name: main
  data_files:
  - split: train
    path: main/train*
  - split: test
    path: main/test*
---
"""


def total(text):
    """The sum that the last line with a plus asks for; of 9 and more, a wrong one."""
    one, other = map(int, re.findall(r"(\d+) plus (\d+)", text)[-1])
    added = one + other
    return f"The sum is \\boxed{{{added if added < 9 else 0}}}."


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_sets(folder):
    """Write five questions of each set, in the format of its repository."""
    numbers = range(3, 8)
    grade = [
        {"question": f"What is {n} plus 2?", "answer": f"It is {n + 2}.\n#### {n + 2}"}
        for n in numbers
    ]
    write(folder / "gsm8k/main/test.jsonl", grade)
    write(folder / "gsm8k/main/train.jsonl", grade)
    (folder / "gsm8k/README.md").write_text(CARD)
    hard = [
        {
            "problem": f"Compute ${n} plus 1$.",
            "solution": f"It is $\\boxed{{{n + 1}}}$.",
            "answer": str(n + 1),
            "subject": "Algebra",
            "level": n - 2,
            "unique_id": f"test/algebra/{n}.json",
        }
        for n in numbers
    ]
    write(folder / "math_500/test.jsonl", hard)


def test_public_sets_are_scored_from_a_folder_without_cards(api):
    with engine(api, total) as (served, key):
        asked = {"deployment": key, "datasets": [*SETS], "max_tokens": 64}
        missing = api.launch(KIND, **asked)
        assert api.ended(missing)["state"] == "failed"
        assert not served.questions
        folder = api.stack.data_dir / "host/datasets"
        assert f"{folder}/gsm8k" in json.dumps(api.ask(f"jobs/{missing}"))

        write_sets(folder)
        examples = folder / "gsm8k/main/train.jsonl"
        examples.rename(folder / "examples")
        lacking = api.launch(KIND, **asked)
        assert api.ended(lacking)["state"] == "failed"
        assert not served.questions
        said = json.dumps(api.ask(f"jobs/{lacking}"))
        assert "check:data_set_files_missing" in said
        assert "main/train*" in said
        (folder / "examples").rename(examples)
        job = api.launch(KIND, **asked)

        done = api.ended(job)
        assert done["state"] == "succeeded", api.raw(f"jobs/{job}/log?from=0").decode()
        metrics = api.result(job)["metrics"]
        # gsm8k: 5 to 9, the last one wrong; math_500: 4 to 8, all right.
        assert (metrics["questions"], metrics["correct"]) == (10, 9)
        assert metrics["accuracy"] == pytest.approx(0.9)
        assert len(served.questions) == 10

        (there,) = (api.stack.data_dir / "host/environments").glob("evalscope-*")
        asked = (there / "bin/python", "-c", OWN, *BY_EVALSCOPE)
        said = subprocess.run(asked, capture_output=True, check=True, text=True, cwd=folder)
        own = json.loads(said.stdout.splitlines()[-1])
        sets = {name: one.evalscope for name, one in BY_EVALSCOPE.items()}
        assert own == {name: [[*one.parts], [*one.splits]] for name, one in sets.items()}

        drawn = []
        for seed in (7, 8):
            before = len(served.questions)
            part = {"deployment": key, "datasets": ["gsm8k"], "max_tokens": 64, "limit": 2}
            job = api.launch(KIND, **part, question_seed=seed)
            assert api.ended(job)["state"] == "succeeded"
            assert api.result(job)["metrics"]["questions"] == 2
            drawn.append(sorted(served.questions[before:]))
        assert [len(one) for one in drawn] == [2, 2]
        assert drawn[0] != drawn[1]


ASKED, STOPPED_AT = 20, 8


def test_a_resumed_evaluation_asks_no_answered_question(api):
    with engine(api, lambda text: "5", delay_s=0.25) as (served, key):
        asked = {"deployment": key, "limit": ASKED, "batch": 1}
        stopped = api.launch("evaluate", **asked)
        until(lambda: len(served.questions) >= STOPPED_AT, "questions are asked")
        api.ask(f"jobs/{stopped}/cancel", {})
        assert api.ended(stopped)["state"] == "cancelled"
        files = (api.spool(stopped) / "work/eval/predictions/model").glob("*.jsonl")
        answered = sum(len(path.read_text().splitlines()) for path in files)
        before = Counter(served.questions)
        assert 0 < answered <= len(before) < ASKED

        resumed = api.ask(f"jobs/{stopped}/resume", {})

        done = api.ended(resumed["id"])
        assert (done["state"], resumed["resumed"], resumed["retry_of"]) == (
            "succeeded",
            True,
            stopped,
        ), api.raw(f"jobs/{resumed['id']}/log?from=0").decode()
        times = Counter(served.questions)
        assert len(times) == ASKED
        # Only the question that was under way when the job was stopped.
        assert sum(count - 1 for count in times.values()) == len(before) - answered
        whole = api.launch("evaluate", **asked)
        assert api.ended(whole)["state"] == "succeeded"
        one, other = api.result(resumed["id"]), api.result(whole)
        assert one["metrics"]["questions"] == ASKED
        assert one["metrics"]["accuracy"] == other["metrics"]["accuracy"]
        assert one["identity"] == other["identity"]
