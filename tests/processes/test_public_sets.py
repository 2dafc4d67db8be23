"""Real evaluations on public data sets, from a folder of a host without cards."""

import json
import re
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jobs.catalog.data_sets import BY_EVALSCOPE
from tests.processes.lib.borrowed import stack_with_evalscope

pytestmark = pytest.mark.processes
MODEL = "team/Model-1"
PERMIT = "from jobs.services import sources; sources.add('endpoint', '{url}', user=None)"
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


class _Handler(BaseHTTPRequestHandler):
    """Streams the sum that the last line with a plus asks for; of 9 and more, a wrong one."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing."""

    def do_GET(self):
        entry = {"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": 32768}
        listed = {"object": "list", "data": [entry]}
        self.say(json.dumps(listed if "models" in self.path else {}))

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        self.server.asked.append(text)
        one, other = map(int, re.findall(r"(\d+) plus (\d+)", text)[-1])
        total = one + other
        answer = f"The sum is \\boxed{{{total if total < 9 else 0}}}."
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        delta = {"role": "assistant", "content": answer}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        chunks = [{**head, "choices": [choice]}, {**head, "choices": [], "usage": usage}]
        lines = [*map(json.dumps, chunks), "[DONE]"]
        self.say("".join(f"data: {line}\n\n" for line in lines), "text/event-stream")

    def say(self, text, content_type="application/json"):
        content = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def engine():
    """A running engine; what it was asked is in ``asked``."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads, server.asked = True, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


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
    with engine() as served:
        url = f"http://127.0.0.1:{served.server_address[1]}"
        api.stack.manage("shell", "--no-imports", "-c", PERMIT.format(url=url))
        made = api.ask("endpoints", {"name": "H800", "url": url, "device": "H800"})
        asked = {"deployment": f"endpoint:{made['id']}", "datasets": [*SETS], "max_tokens": 64}
        missing = api.launch(KIND, **asked)
        assert api.ended(missing)["state"] == "failed"
        assert not served.asked
        folder = api.stack.data_dir / "host/datasets"
        assert f"{folder}/gsm8k" in json.dumps(api.ask(f"jobs/{missing}"))

        write_sets(folder)
        examples = folder / "gsm8k/main/train.jsonl"
        examples.rename(folder / "examples")
        lacking = api.launch(KIND, **asked)
        assert api.ended(lacking)["state"] == "failed"
        assert not served.asked
        said = json.dumps(api.ask(f"jobs/{lacking}"))
        assert "check:data_set_files_missing" in said
        assert "main/train*" in said
        (folder / "examples").rename(examples)
        job = api.launch(KIND, **asked)

        done = api.ended(job)
        assert done["state"] == "succeeded", api.raw(f"jobs/{job}/log?from=0").decode()
        (row,) = [one for one in api.ask("results")["results"] if one["job"] == job]
        metrics = api.ask(f"results/{row['id']}")["metrics"]
        # gsm8k: 5 to 9, the last one wrong; math_500: 4 to 8, all right.
        assert (metrics["questions"], metrics["correct"]) == (10, 9)
        assert metrics["accuracy"] == pytest.approx(0.9)
        assert len(served.asked) == 10

        (there,) = (api.stack.data_dir / "host/environments").glob("evalscope-*")
        asked = (there / "bin/python", "-c", OWN, *BY_EVALSCOPE)
        said = subprocess.run(asked, capture_output=True, check=True, text=True, cwd=folder)
        own = json.loads(said.stdout.splitlines()[-1])
        sets = {name: one.evalscope for name, one in BY_EVALSCOPE.items()}
        assert own == {name: [[*one.parts], [*one.splits]] for name, one in sets.items()}
