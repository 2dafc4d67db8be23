"""Send prompts at temperature 0 to two engines, and compare their answers.

    greedy_probe.py URL REFERENCE_URL --served-model-name MODEL --served-model-name REFERENCE_MODEL
        --prompts FILE --max-tokens N --again N [--logprobs] [--body JSON --body JSON] --to FILE

FILE of the prompts has a JSON object a line, {"prompt": ...}; a line of the output is one prompt
with both answers. The first N prompts are sent a second time to both, which shows whether an engine
repeats itself. Keys come from API_KEY and REFERENCE_API_KEY. Lines of an interrupted run stay and
are not requested again. JSON is an object, whose fields each request to that engine gets.
"""

import argparse
import http.client
import json
import math
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from direct import LONGEST_ANSWER, OPEN, request, within

SIDES = ("deployment", "reference")
KEYS = ("API_KEY", "REFERENCE_API_KEY")
ANSWER_S = 300
WHOLE_S = 3 * 3600  # no new prompt after that
MOST_FAILURES = 5  # prompts in a row that one engine does not answer
LONGEST_TEXT = 64 * 1024  # characters kept of an answer
LONGEST_TOKEN = 64
LONGEST_REASON = 300
CANDIDATES = 5
# Fields that engines may refuse, in the order in which they are left out. A cached prompt is
# computed in other batches than a new one, so its answer may differ.
CACHE = {"cache_prompt": False}
LOGPROBS = {"logprobs": True, "top_logprobs": CANDIDATES}
SEED = {"seed": 0}
REFUSALS = (400, 422, 500, 501)


class Failed(Exception):
    """No answer that can be compared. ``status``: of HTTP, 0 without one."""

    def __init__(self, reason, status=0):
        super().__init__(clean(str(reason))[:LONGEST_REASON])
        self.status = status


def clean(text):
    """Return the text without half characters, which no file can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


class Engine:
    """Engine. ``fields``: optional fields that the engine accepted; None before an answer.
    ``body``: fields of every request."""

    def __init__(self, url, model, key, *, logprobs, body):
        self.url, self.model, self.key, self.extra = url, model, key, body
        optional = [CACHE, *([LOGPROBS] if logprobs else []), SEED]
        self.tries = [optional[left_out:] for left_out in range(len(optional) + 1)]
        self.fields = None

    def answer(self, prompt, max_tokens):
        """Return the answer, see :func:`read`. Raises Failed."""
        tries = self.tries if self.fields is None else [self.fields]
        for fields in tries:
            try:
                found = self.once(prompt, max_tokens, fields)
            except Failed as error:
                if error.status in REFUSALS and fields is not tries[-1]:
                    continue
                raise
            self.fields = fields
            return found
        raise AssertionError("there is a last try")

    def once(self, prompt, max_tokens, fields):
        asked = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "top_p": 1,
            "stream": False,
            **self.extra,
        }
        for more in fields:
            asked.update(more)
        post = request(f"{self.url}/v1/chat/completions", self.key)
        post.data = json.dumps(asked).encode()
        post.add_header("Content-Type", "application/json")
        return read(self.body(post), max_tokens)

    def body(self, post):
        try:
            with within(ANSWER_S), OPEN.open(post, timeout=ANSWER_S) as reply:
                status, content = reply.status, reply.read(LONGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            raise Failed(self.why(error.code), error.code) from None
        except (OSError, ValueError) as error:
            raise Failed(getattr(error, "reason", error)) from None
        except http.client.HTTPException as error:
            raise Failed(f"no HTTP answer: {type(error).__name__}") from None
        if status != 200:
            raise Failed(self.why(status), status)
        if len(content) > LONGEST_ANSWER:
            raise Failed(f"the answer is longer than {LONGEST_ANSWER} bytes")
        return content

    def why(self, status):
        if 300 <= status < 400:
            return f"HTTP {status}, a redirect, which is not followed"
        if status in (401, 403):
            return f"HTTP {status}: " + ("it refuses the key" if self.key else "it needs a key")
        return f"HTTP {status}"


def read(content, max_tokens):
    """Return {"text", "reasoning", "finish", "tokens", "entries"} of an answer. ``tokens`` are
    [text, log-probability] pairs, None where the engine tells none."""
    try:
        choice = json.loads(content)["choices"][0]
        said = choice["message"]
        text = said.get("content") or ""
        reasoning = said.get("reasoning_content") or said.get("reasoning") or ""
        finish = choice.get("finish_reason") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        raise Failed("the answer is no chat completion") from None
    if not all(isinstance(one, str) for one in (text, reasoning, finish)):
        raise Failed("the answer has no text")
    if len(text) + len(reasoning) > LONGEST_TEXT:
        raise Failed(f"the answer is longer than {LONGEST_TEXT} characters")
    logprobs = choice.get("logprobs")
    entries = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(entries, list) or len(entries) > max_tokens + 8:
        entries = []
    tokens = [pair_of(entry) for entry in entries]
    has_all = bool(tokens) and all(pair is not None for pair in tokens)
    return {
        "text": clean(text),
        "reasoning": clean(reasoning),
        "finish": clean(finish)[:32],
        "tokens": tokens if has_all else None,
        "entries": entries if has_all else [],
    }


def is_equal(first, second):
    return (first["reasoning"], first["text"]) == (second["reasoning"], second["text"])


def pair_of(entry):
    """Return [text, log-probability] of a token; None where it is none. Bytes that are no whole
    character are written in hexadecimal, as "<E4><BD>"."""
    if not isinstance(entry, dict) or not isinstance(entry.get("token"), str):
        return None
    text, raw = entry["token"], entry.get("bytes")
    if isinstance(raw, list) and raw:
        try:
            data = bytes(raw[:LONGEST_TOKEN])
        except (TypeError, ValueError):
            return None
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = "".join(f"<{one:02X}>" for one in data)
    return [clean(text)[:LONGEST_TOKEN], number_of(entry.get("logprob"))]


def number_of(value):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None
    return number if math.isfinite(number) else None


def candidates_at(answer, place):
    if place is None or place >= len(answer["entries"]):
        return []
    listed = answer["entries"][place].get("top_logprobs")
    pairs = [pair_of(one) for one in listed[:CANDIDATES]] if isinstance(listed, list) else []
    return [pair for pair in pairs if pair is not None]


def diverging(first, second):
    """Return the first place where the tokens differ; None without tokens, or for equal ones."""
    for place, pair in enumerate(zip(first["tokens"] or (), second["tokens"] or (), strict=False)):
        if pair[0][0] != pair[1][0]:
            return place
    return None


def compared(index, prompt, engines, max_tokens, *, again):
    row, answers = {"index": index, "prompt": prompt}, {}
    for side, engine in zip(SIDES, engines, strict=True):
        try:
            answers[side] = engine.answer(prompt, max_tokens)
        except Failed as error:
            row[side] = {"error": str(error)}
    if len(answers) == len(SIDES):
        both = answers.values()
        place = None if is_equal(*both) else diverging(*both)
        for answer in both:
            answer["candidates"] = candidates_at(answer, place)
    if again:
        row["again"] = {
            side: repeats(engine, prompt, max_tokens, answers[side])
            for side, engine in zip(SIDES, engines, strict=True)
            if side in answers
        }
    for side, answer in answers.items():
        del answer["entries"]
        row[side] = answer
    return row


def repeats(engine, prompt, max_tokens, before):
    """Return True for equal answers; None without a second answer."""
    try:
        return is_equal(engine.answer(prompt, max_tokens), before)
    except Failed:
        return None


def verdict(row):
    failed = [f"{side}: {row[side]['error']}" for side in SIDES if "error" in row[side]]
    if failed:
        return "no answer, " + "; ".join(failed)
    both = [row[side] for side in SIDES]
    if is_equal(*both):
        return "equal"
    place = diverging(*both)
    return "different" if place is None else f"different from token {place + 1}"


def kept_from(path, prompts):
    """Return rows of an earlier run, by index: complete ones to the same prompts."""
    rows = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return rows
    for line in lines:
        try:
            row = json.loads(line)
            is_whole = not any("error" in row[side] for side in SIDES)
            if is_whole and prompts[row["index"]] == row["prompt"]:
                rows[row["index"]] = row
        except (ValueError, KeyError, IndexError, TypeError):
            continue  # the last line of a killed run
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("urls", nargs=2)
    parser.add_argument("--served-model-name", action="append", required=True)
    parser.add_argument("--prompts", type=Path, required=True)
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("--again", type=int, required=True)
    parser.add_argument("--logprobs", action="store_true")
    parser.add_argument("--body", action="append", type=json.loads)
    parser.add_argument("--to", type=Path, required=True)
    options = parser.parse_args()
    lines = options.prompts.read_text(encoding="utf-8").split("\n")
    prompts = [json.loads(line)["prompt"] for line in lines if line]
    named = zip(
        options.urls, options.served_model_name, KEYS, options.body or ({}, {}), strict=True
    )
    engines = [
        Engine(url, model, os.environ.get(key, ""), logprobs=options.logprobs, body=body)
        for url, model, key, body in named
    ]
    ends_at = time.monotonic() + WHOLE_S
    before = kept_from(options.to, prompts)
    failures = dict.fromkeys(SIDES, 0)
    pairs = 0
    with options.to.open("w", encoding="utf-8") as to:
        for index, prompt in enumerate(prompts):
            if time.monotonic() > ends_at:
                print(f"stopped after {WHOLE_S} s, at prompt {index + 1}/{len(prompts)}")
                break
            row = before.get(index) or compared(
                index, prompt, engines, options.max_tokens, again=index < options.again
            )
            to.write(json.dumps(row) + "\n")
            to.flush()
            print(f"prompt {index + 1}/{len(prompts)}: {verdict(row)}", flush=True)
            pairs += not any("error" in row[side] for side in SIDES)
            for side in SIDES:
                failures[side] = failures[side] + 1 if "error" in row[side] else 0
                if failures[side] == MOST_FAILURES:
                    sys.exit(f"the {side} did not answer {MOST_FAILURES} prompts in a row")
    if not pairs:
        sys.exit("no prompt has answers of both engines")


if __name__ == "__main__":
    main()
