"""An engine for evaluations: it answers questions as a test says, and logs them."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "team/Model-1"
_PERMIT = "from jobs.access import sources; sources.add('endpoint', '{url}', user=None)"


class Engine(ThreadingHTTPServer):
    """``answer`` returns the text for a question after ``delay_s``, None to fail; ``log`` has all
    questions."""

    daemon_threads = True

    def handle_error(self, request, client_address):
        """Say nothing of clients that were killed."""

    def __init__(self, answer, delay_s=0.0):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.delay_s, self.log = answer, delay_s, []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def join(self, api, name):
        """Add this engine as an endpoint of a dashboard; its key in forms."""
        api.stack.manage("shell", "--no-imports", "-c", _PERMIT.format(url=self.url))
        made = api.ask("endpoints", {"name": name, "url": self.url, "device": name})
        return f"endpoint:{made['id']}"


class _Handler(BaseHTTPRequestHandler):
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
        self.server.log.append(text)
        time.sleep(self.server.delay_s)
        answer = self.server.answer(text)
        if answer is None:
            self.say(json.dumps({"error": {"message": "made to fail"}}), status=500)
            return
        said = {"role": "assistant", "content": answer}
        head = {"id": "x", "created": 1, "model": MODEL, "object": "chat.completion"}
        usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
        if not body.get("stream"):
            choice = {"index": 0, "message": said, "finish_reason": "stop"}
            self.say(json.dumps({**head, "choices": [choice], "usage": usage}))
            return
        head["object"] += ".chunk"
        choice = {"index": 0, "delta": said, "finish_reason": "stop"}
        chunks = [{**head, "choices": [choice]}, {**head, "choices": [], "usage": usage}]
        lines = [*map(json.dumps, chunks), "[DONE]"]
        self.say("".join(f"data: {line}\n\n" for line in lines), "text/event-stream")

    def say(self, text, content_type="application/json", status=200):
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def engine(answer, delay_s=0.0):
    """A running engine."""
    server = Engine(answer, delay_s)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
