"""An OpenAI-compatible engine with an API key, in this process, that records who asked."""

import json
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "team/Model-1"
MOST_TOKENS = 32768
METRICS = (
    "# HELP x y\nvllm:num_requests_running 0.0\n"
    "vllm:generation_tokens_total {tokens:.1f}\n"
    "vllm:time_to_first_token_seconds_count {streams:.1f}\n"
    "vllm:time_to_first_token_seconds_sum {ttft_s:.6f}\n"
)


class Engine:
    """``answers``: path -> (status, body) of a GET, which a test may change. ``asked``: (path,
    Authorization) of each request. ``/metrics`` counts requests, tokens and TTFT of streams.
    ``pause_s``: pause after each token of a stream. ``complete``: request -> (status, body) of a
    complete answer; None for the usual one. ``reply``: question -> text after ``delay_s``, None to
    fail, complete or as a stream. ``questions``: those that it was asked. ``closes_kept``: it keeps
    a connection unless asked otherwise, and closes it when its next request comes; ``lost``: those
    requests. A test may change all."""

    def __init__(self, key=""):
        entry = {"id": MODEL, "object": "model", "owned_by": "vllm", "max_model_len": MOST_TOKENS}
        self.key, self.asked, self.pause_s, self.complete = key, [], 0.0, None
        self.reply, self.delay_s, self.questions = None, 0.0, []
        self.closes_kept, self.lost = False, []
        self.answers = {
            "/v1/models": (200, json.dumps({"object": "list", "data": [entry]})),
            "/version": (200, json.dumps({"version": "0.9.1"})),
        }
        self._counting, self._count = threading.Lock(), Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.engine = self
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def metrics(self):
        """Its counters, as Prometheus reads them."""
        with self._counting:
            return METRICS.format_map(self._count)

    def count(self, **more):
        """Count up."""
        with self._counting:
            self._count.update(more)

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers for ``self.server.engine``, an :class:`Engine`."""

    protocol_version = "HTTP/1.1"
    is_kept = False

    def log_message(self, *args):
        """Be silent."""

    def is_refused(self):
        given = self.headers.get("Authorization")
        self.server.engine.asked.append((self.path, given))
        if (
            not self.server.engine.key
            or given == f"Bearer {self.server.engine.key}"
            or "/v1/" not in self.path
        ):
            return False
        self.say(401, "{}")
        return True

    def do_GET(self):
        if not self.is_refused():
            answers = {
                "/metrics": (200, self.server.engine.metrics()),
                **self.server.engine.answers,
            }
            self.say(*answers.get(self.path, (404, "")))

    def do_POST(self):
        self.began = time.monotonic()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_kept:
            self.server.engine.lost.append(self.path)
            self.close_connection = True
            return
        self.is_kept = self.server.engine.closes_kept
        if self.is_refused():
            return
        count = asked.get("max_tokens") or asked.get("max_completion_tokens") or 8
        if self.server.engine.reply:
            self.reply_to(asked)
        elif asked.get("stream"):
            self.stream(count)
        elif self.server.engine.complete:
            self.say(*self.server.engine.complete(asked))
        else:
            message = {"role": "assistant", "content": "Paris " * count}
            choice = {"index": 0, "message": message, "finish_reason": "length"}
            self.say(200, json.dumps({**HEAD, "choices": [choice], "usage": usage(count)}))

    def reply_to(self, asked):
        engine, content = self.server.engine, asked["messages"][-1]["content"]
        question = content if isinstance(content, str) else content[0]["text"]
        engine.questions.append(question)
        time.sleep(engine.delay_s)
        text = engine.reply(question)
        said = {"role": "assistant", "content": text}
        if text is None:
            self.say(500, json.dumps({"error": {"message": "made to fail"}}))
        elif asked.get("stream"):
            self.begin_stream()
            self.event([{"index": 0, "delta": said, "finish_reason": "stop"}])
            self.end_stream(5)
        else:
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            self.say(200, json.dumps({**HEAD, "choices": [choice], "usage": usage(5)}))

    def say(self, status, body):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def stream(self, count):
        self.begin_stream()
        for number in range(count):
            delta = {"content": "word "} if number else {"role": "assistant", "content": "a"}
            self.event([{"index": 0, "delta": delta, "finish_reason": None}])
            if not number:
                self.server.engine.count(streams=1, ttft_s=time.monotonic() - self.began)
            self.server.engine.count(tokens=1)
            time.sleep(self.server.engine.pause_s)
        self.event([{"index": 0, "delta": {}, "finish_reason": "length"}])
        self.end_stream(count)

    def begin_stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.is_chunked = self.is_kept and not self.close_connection
        how = ("Transfer-Encoding", "chunked") if self.is_chunked else ("Connection", "close")
        self.send_header(*how)
        self.end_headers()

    def end_stream(self, count):
        self.event([], usage=usage(count))
        self.write("data: [DONE]\n\n")
        if self.is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def event(self, choices, **more):
        self.write(f"data: {json.dumps({**HEAD, 'object': CHUNK, 'choices': choices, **more})}\n\n")

    def write(self, text):
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if self.is_chunked else data)


CHUNK = "chat.completion.chunk"
HEAD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}


def usage(count):
    return {"prompt_tokens": 9, "completion_tokens": count, "total_tokens": 9 + count}


@contextmanager
def engine(key=""):
    """A running engine; with ``key``, its API refuses requests without it."""
    running = Engine(key)
    try:
        yield running
    finally:
        running.stop()
