"""Real evaluations on public data sets, from a folder of a host without cards."""

import json
import re
import subprocess

import pytest

from jobs.catalog.data_sets import BY_EVALSCOPE
from tests.processes.lib.borrowed import stack_with_evalscope
from tests.processes.lib.engine import engine

pytestmark = pytest.mark.processes
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


@pytest.fixture
def api(tmp_path, pytestconfig):
    """A dashboard whose host has EvalScope."""
    with stack_with_evalscope(tmp_path / "data", pytestconfig) as client:
        yield client


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
    with engine(total) as served:
        asked = {"deployment": served.join(api, "H800"), "datasets": [*SETS], "max_tokens": 64}
        missing = api.launch(KIND, **asked)
        assert api.ended(missing)["state"] == "failed"
        assert not served.log
        folder = api.stack.data_dir / "host/datasets"
        assert f"{folder}/gsm8k" in json.dumps(api.ask(f"jobs/{missing}"))

        write_sets(folder)
        examples = folder / "gsm8k/main/train.jsonl"
        examples.rename(folder / "examples")
        lacking = api.launch(KIND, **asked)
        assert api.ended(lacking)["state"] == "failed"
        assert not served.log
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
        assert len(served.log) == 10

        (there,) = (api.stack.data_dir / "host/environments").glob("evalscope-*")
        asked = (there / "bin/python", "-c", OWN, *BY_EVALSCOPE)
        said = subprocess.run(asked, capture_output=True, check=True, text=True, cwd=folder)
        own = json.loads(said.stdout.splitlines()[-1])
        sets = {name: one.evalscope for name, one in BY_EVALSCOPE.items()}
        assert own == {name: [[*one.parts], [*one.splits]] for name, one in sets.items()}
