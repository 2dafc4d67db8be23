"""Prompts that no engine has seen before: cold.py, alone and run as a plan's step."""

import subprocess
import sys
from itertools import islice

from jobs.catalog import PROMPT_SETS
from jobs.kinds.benchmark import LoadParams
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib.load import HttpLoad, Prompts
from jobs.tools.lib.scripts import cold
from jobs.tools.lib.site import site_of
from tests.jobs.lib.scripts import run_script
from tests.jobs.lib.target import here
from tests.waiting import PATIENCE_S

LINES = list(PROMPT_SETS["everyday"])


def sent(seed, count=200):
    return list(islice(cold.cold(LINES, seed), count))


def test_no_prompt_begins_like_another_in_one_run_or_two():
    prompts = [*sent(1701), *sent(1702), *sent(1801)]

    # The first six letters: an engine caches what prompts have in common from their beginning.
    assert len({prompt[:6] for prompt in prompts}) == len(prompts)


def test_each_line_is_sent_whole_and_as_often_as_the_others():
    bodies = [prompt.split(": ", 1)[1] for prompt in sent(1701, 2 * len(LINES))]

    assert sorted(bodies) == sorted(LINES * 2)


def test_the_same_seed_sends_the_same_requests():
    assert sent(7) == sent(7)
    assert sent(7) != sent(8)


def written(folder, seeds, requests=20):
    """The files that the script writes into ``folder``, by name, as lists of lines."""
    folder.mkdir()
    lines = folder.parent / "prompts.txt"
    lines.write_text("\n".join(LINES) + "\n\n", encoding="utf-8")
    argv = ("--requests", requests, "--seeds", seeds, lines)
    assert run_script("cold.py", *argv, cwd=folder).returncode == 0
    return {path.name: path.read_text(encoding="utf-8").splitlines() for path in folder.iterdir()}


def test_the_script_writes_prompts_per_concurrency(tmp_path):
    files = written(tmp_path / "one", "1=1701,4=1702")
    others = written(tmp_path / "other", "1=1801,4=1802")

    assert files.keys() == others.keys() == {"prompts-20-at-1.txt", "prompts-20-at-4.txt"}
    prompts = [line for lines in (*files.values(), *others.values()) for line in lines]
    assert len({prompt.split()[0] for prompt in prompts}) == len(prompts) == 80
    # The same seed writes the same file; a thousand requests are a thousand new prompts.
    assert written(tmp_path / "again", "1=1701,4=1702") == files
    (lines,) = written(tmp_path / "many", "2=1701", requests=1000).values()
    assert len({line.split()[0] for line in lines}) == len(lines) == 1000


def test_what_evalscope_runs_in_finds_the_script_beside_itself(tmp_path):
    params = LoadParams(deployment="3", concurrency=(2,), requests=1)
    load = HttpLoad(params, Prompts(("a",), longest=1), metrics=())
    plan = evalscope.perf_plan(load, site_of(here().facts))
    for item in plan.files:
        (tmp_path / item.name).write_text(item.text, encoding="utf-8")
    own = ("--seeds", "2=7", "--windows", "w", "--progress", "p", "--stream", "sse")
    argv = [sys.executable, "send_cold.py", *own]

    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)

    assert "at concurrency 2" in done.stdout
    assert "No module named 'cold'" not in done.stderr
