"""A real evaluation that is stopped and resumed: no answered question is asked again."""

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.api import until
from tests.processes.lib.borrowed import stack_with_evalscope

pytestmark = pytest.mark.processes
MODEL, QUESTIONS, STOPPED_AT = "team/Model-1", 20, 8
PERMIT = "from jobs.services import sources; sources.add('endpoint', '{url}', user=None)"


class Engine(ThreadingHTTPServer):
    """Engine that answers "5" after a while, and logs each question."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.log = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Say nothing."""

    def do_GET(self):
        entry = {"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": 4096}
        self.say({"object": "list", "data": [entry]} if "models" in self.path else {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = body["messages"][-1]["content"]
        text = content if isinstance(content, str) else content[0]["text"]
        self.server.log.append(text)
        time.sleep(0.25)
        message = {"role": "assistant", "content": "5"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
        head = {"id": "x", "object": "chat.completion", "created": 1, "model": MODEL}
        self.say({**head, "choices": [choice], "usage": usage})

    def say(self, data):
        content = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def engine():
    """A running engine."""
    server = Engine()
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


def result_of(api, job):
    """The result of a job."""
    (row,) = [one for one in api.ask("results")["results"] if one["job"] == job]
    return api.ask(f"results/{row['id']}")


def test_a_resumed_evaluation_asks_no_answered_question(api):
    with engine() as served:
        api.stack.manage("shell", "--no-imports", "-c", PERMIT.format(url=served.url))
        made = api.ask("endpoints", {"name": "H800", "url": served.url, "device": "H800"})
        asked = {"deployment": f"endpoint:{made['id']}", "limit": QUESTIONS, "batch": 1}
        stopped = api.launch("evaluate", **asked)
        until(lambda: len(served.log) >= STOPPED_AT, "questions are asked", 300)
        api.ask(f"jobs/{stopped}/cancel", {})
        assert api.ended(stopped)["state"] == "cancelled"
        files = (api.spool(stopped) / "work/eval/predictions/model").glob("*.jsonl")
        answered = sum(len(path.read_text().splitlines()) for path in files)
        before = Counter(served.log)
        assert 0 < answered <= len(before) < QUESTIONS

        resumed = api.ask(f"jobs/{stopped}/resume", {})

        done = api.ended(resumed["id"])
        assert (done["state"], resumed["resumed"], resumed["repeats"]) == (
            "succeeded",
            True,
            stopped,
        ), api.raw(f"jobs/{resumed['id']}/log?from=0").decode()
        times = Counter(served.log)
        assert len(times) == QUESTIONS
        # Only the question that was under way when the job was stopped.
        assert sum(count - 1 for count in times.values()) == len(before) - answered
        whole = api.launch("evaluate", **asked)
        assert api.ended(whole)["state"] == "succeeded"
        one, other = result_of(api, resumed["id"]), result_of(api, whole)
        assert one["metrics"]["questions"] == QUESTIONS
        assert one["metrics"]["accuracy"] == other["metrics"]["accuracy"]
        assert one["identity"] == other["identity"]
