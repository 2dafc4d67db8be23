"""Run EvalScope's performance test with prompts that no engine has seen before.

    send_cold.py --seeds 1=1701,4=1702 --windows FILE --progress FILE --stream sse perf ...

EvalScope sends the lines of a file in turn, from the first one at each concurrency: a prefix cache
then answers all but the first. cold_lines sends them as cold.py makes them new by the seed of that
concurrency; written_lines sends the prompts that sized.py wrote into the folder of --dataset-path,
or those of that file.

The windows' FILE gets the start of each concurrency, one JSON object a line. EvalScope sends the
first measured request while the last warm-ups still run: once the last has ended, a second line has
that request's start, and number and tokens of the warm-ups. The progress' FILE gets, twice a second
while it changes, requests sent, done and failed, tokens received (pieces of a stream until its
request has ended), and the concurrency; "warm" counts running warm-ups, which are none of these.

An API key comes as API_KEY in the environment, because the process list shows arguments. A redirect
is a failed request: neither key nor prompt goes to another address. With "--stream bare", bare JSON
lines (llmdeploy's) reach EvalScope as server-sent events when they arrive. "errorMsg", or a text
with a code of no success, is a failed request, also beside "choices".
"""

import contextvars
import json
import logging
import os
import sys
import threading
import time
from pathlib import Path

EVERY_S = 0.5
OK_CODES = (None, 0, 200, "200")  # of llmdeploy's answers


class Client:
    """Counter of requests and answers, written to a file by a thread. ``windows``: file for the
    warm-ups of each concurrency."""

    def __init__(self, path, *, windows=None):
        names = ("sent", "done", "failed", "tokens", "level", "warm")
        self.counts = dict.fromkeys(names, 0)
        self._path, self._windows, self._warm_ups = path, windows, 0
        self._warmed = {}
        self._request = contextvars.ContextVar("request")

    def begin_level(self, concurrency, warm_ups):
        """Requests are sent at this concurrency from now on, the first ones to warm up."""
        self.counts["level"], self._warm_ups = concurrency, warm_ups
        self._left = warm_ups
        self._warmed = {"concurrency": concurrency, "warm_ups": warm_ups, "warm_up_tokens": 0}

    def begin(self):
        is_warm_up = self._warm_ups > 0
        self._request.set({"pieces": 0, "is_warm_up": is_warm_up})
        self._warm_ups -= is_warm_up
        self.counts["warm" if is_warm_up else "sent"] += 1
        if not is_warm_up and self._warmed:
            self._warmed.setdefault("measured", time.time())
            self._write_warm_ups()

    def receive(self, pieces):
        own = self._request.get(None)
        if own is not None:
            own["pieces"] += pieces
            self.counts["tokens"] += pieces

    def end(self, is_done, tokens):
        """The request has ended; ``tokens`` as the server counted them, None where it did not."""
        own = self._request.get()
        if own["is_warm_up"]:
            self.counts["warm"] -= 1
            self._left -= 1
            self._warmed["warm_up_tokens"] += own["pieces"] if tokens is None else tokens
            self._write_warm_ups()
        else:
            self.counts["done" if is_done else "failed"] += 1
        if tokens is not None:
            self.counts["tokens"] += tokens - own["pieces"]

    def _write_warm_ups(self):
        if self._left == 0 and "measured" in self._warmed and self._warmed["warm_ups"]:
            add_line(self._windows, self._warmed)
            self._left = -1  # written

    def follow(self):
        threading.Thread(target=self._write, daemon=True).start()

    def _write(self):
        written = {}
        while True:
            counts = dict(self.counts)
            if counts != written:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"t": time.time(), **counts}) + "\n")
                written = counts
            time.sleep(EVERY_S)


def add_line(path, line):
    if path is not None:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def count(client):
    """Have EvalScope's client tell ``client`` what it does."""
    from evalscope.perf.plugin.api import default_api  # noqa: PLC0415 -- slow; not for tests

    plugin, handler = default_api.DefaultApiPlugin, default_api.StreamedResponseHandler
    process, add = plugin.process_request, handler.add_chunk

    async def process_request(self, *args, **kwargs):
        client.begin()
        output = await process(self, *args, **kwargs)
        client.end(output.success, output.completion_tokens)
        return output

    def add_chunk(self, chunk):
        messages = add(self, chunk)
        client.receive(sum('"choices":' in message for message in messages))
        return messages

    plugin.process_request, handler.add_chunk = process_request, add_chunk


def read_bare_lines():
    """Have EvalScope's client read streams of bare JSON lines."""
    import aiohttp  # noqa: PLC0415 -- of EvalScope's environment; not for tests
    from evalscope.perf.plugin.api import default_api  # noqa: PLC0415 -- slow; not for tests
    from multidict import CIMultiDict, CIMultiDictProxy  # noqa: PLC0415 -- as aiohttp

    class BareLines(default_api.StreamedResponseHandler):
        def add_chunk(self, chunk_bytes):
            text = self.buffer + self.decoder.decode(chunk_bytes)
            events, self.buffer = events_of(text)
            return events

    request = aiohttp.ClientSession._request

    async def as_events(self, method, url, **options):
        response = await request(self, method, url, **options)
        if response.status == 200:
            headers = CIMultiDict(response.headers)
            headers["Content-Type"] = "text/event-stream"
            response._headers = CIMultiDictProxy(headers)
            response._cache.pop("headers", None)
        return response

    default_api.StreamedResponseHandler = BareLines
    aiohttp.ClientSession._request = as_events


def events_of(text):
    """Return the server-sent events of bare lines, and the text after the last complete line. A
    last line without an end counts once it is a whole object."""
    *lines, rest = text.split("\n")
    events = [event for event in map(event_of, lines) if event]
    last = event_of(rest)
    return (events, rest) if last is None else ([*events, last], "")


def event_of(line):
    """Return a line as an event, an error in the form of OpenAI's API; None for no object."""
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    text = answer.get("errorMsg")
    if not text and answer.get("code") not in OK_CODES:
        text = answer.get("msg") or (None if answer.get("choices") else answer["code"])
    if text:
        answer = {"error": {"message": str(text)}}
    return "data: " + json.dumps(answer, ensure_ascii=False)


def refuse_redirects():
    """Have EvalScope's client take a redirect as an answer like others."""
    import aiohttp  # noqa: PLC0415 -- of EvalScope's environment; not for tests

    request = aiohttp.ClientSession._request

    async def direct(self, method, url, **options):
        return await request(self, method, url, **{**options, "allow_redirects": False})

    aiohttp.ClientSession._request = direct


def register(seeds, windows, client):
    import cold  # noqa: PLC0415 -- beside this file, in the job's folder
    from evalscope.perf.plugin.datasets import line_by_line  # noqa: PLC0415 -- slow; not for tests
    from evalscope.perf.plugin.registry import register_dataset  # noqa: PLC0415

    @register_dataset("cold_lines")
    class ColdLines(line_by_line.LineByLineDatasetPlugin):
        def build_messages(self):
            parallel = self.query_parameters.parallel
            concurrency = parallel[0] if isinstance(parallel, list) else parallel
            client.begin_level(concurrency, self.query_parameters.warmup_count)
            add_line(windows, {"concurrency": concurrency, "began": time.time()})
            for prompt in self.prompts_at(concurrency):
                yield self.prepare_messages(prompt)

        def prompts_at(self, concurrency):
            lines = cold.lines_of(self.query_parameters.dataset_path)
            return cold.cold(lines, seeds[concurrency])

    @register_dataset("written_lines")
    class WrittenLines(ColdLines):
        def prompts_at(self, concurrency):
            path = Path(self.query_parameters.dataset_path)
            if path.is_dir():
                (path,) = path.glob(f"prompts-*-at-{concurrency}.jsonl")
            return cold.lines_of(path)


if __name__ == "__main__":
    from cold import seeds_of

    own, sys.argv[1:] = sys.argv[1:9], sys.argv[9:]
    levels = ", ".join(map(str, seeds_of(own[1])))
    print(f"EvalScope is loading; requests follow at concurrency {levels}", flush=True)
    from evalscope.cli.cli import run_cmd

    client = Client(Path(own[5]), windows=Path(own[3]))
    register(seeds_of(own[1]), Path(own[3]), client)
    if own[7] == "bare":
        read_bare_lines()
    count(client)
    client.follow()
    refuse_redirects()
    key = os.environ.pop("API_KEY", "")
    sys.argv += ["--api-key", key] if key else []  # of this process only; it is logged masked
    # A line for each request would tear the progress bar apart.
    for name in ("httpx", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.exit(run_cmd())
