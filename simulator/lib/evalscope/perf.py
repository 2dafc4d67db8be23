"""``evalscope perf``: loads the server at each concurrency and writes its measurements."""

import argparse
import asyncio
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.lib import bars, client, world
from simulator.lib.client import Reply
from simulator.lib.evalscope.log import say
from simulator.lib.vllm import prompts
from simulator.lib.vllm.figures import mean, percentile

SHARES = (
    ("min", 0),
    ("1%", 1),
    ("5%", 5),
    ("10%", 10),
    ("25%", 25),
    ("50%", 50),
    ("75%", 75),
    ("90%", 90),
    ("95%", 95),
    ("99%", 99),
    ("max", 100),
)


def run(args: argparse.Namespace) -> int:
    """Run the test; its exit code."""
    if not args.model:
        return _crash("ValueError: --model is required.")
    numbers = args.number or [1000]
    if len(numbers) != len(args.parallel):
        return _crash("AssertionError: The length of number and parallel should be the same.")
    model_id = re.sub(r"[^\w.-]", "_", args.model.rpartition("/")[2])
    name = args.name or model_id
    base = Path(args.outputs_dir)
    shown = base / name if args.no_timestamp else base / time.strftime("%Y%m%d_%H%M%S") / name
    folder = world.real(shown)
    folder.mkdir(parents=True, exist_ok=True)
    say(f"Save the result to: {shown}")
    url = args.url if "/v1/" in args.url else f"{_with_scheme(args.url)}/v1/chat/completions"
    outer = bars.Bar(len(numbers), "Running[perf]")
    summaries = []
    for parallel, number in zip(args.parallel, numbers, strict=True):
        one = _Point(args, url, parallel, number, folder, shown, model_id)
        code = one.run(outer)
        if code:
            outer.close()
            return code
        summaries.append(one.summary)
        outer.add()
    outer.close()
    text = _table(args, summaries, shown)
    (folder / "performance_summary.txt").write_text(text, encoding="utf-8")
    (folder / "perf_report.html").write_text(
        f"<!doctype html><title>{world.MARK}</title>\n", encoding="utf-8"
    )
    (folder / "benchmark.log").write_text(f"{world.MARK}\n", encoding="utf-8")
    world.out(text)
    return 0


def _with_scheme(url: str) -> str:
    return url.rstrip("/") if "://" in url else f"http://{url.rstrip('/')}"


class _Point:
    """One concurrency."""

    def __init__(
        self,
        args: argparse.Namespace,
        url: str,
        parallel: int,
        number: int,
        folder: Path,
        shown: Path,
        model_id: str,
    ) -> None:
        self._args, self._url, self._parallel, self._number = args, url, parallel, number
        self.name = f"parallel_{parallel}_number_{number}"
        self._folder, self._shown, self._model_id = folder / self.name, shown, model_id
        self.summary: dict[str, Any] = {}

    def run(self, outer: bars.Bar) -> int:
        """Send everything and write the files; the exit code."""
        say("Starting benchmark with args: ", bar=outer)
        settings = self._settings()
        say(json.dumps(settings, indent=4), bar=outer)
        try:
            texts = self._prompts()
        except (OSError, prompts.DatasetError) as error:
            return _crash(str(error))
        if not self._args.no_test_connection:
            test = asyncio.run(self._one(texts[0], 1))
            if not test.ok:
                return _crash(f"RuntimeError: Test connection failed: {test.status} {test.error}")
            say("Test connection successful.", bar=outer)
        self._folder.mkdir(parents=True, exist_ok=True)
        say(f"Save the data base to: {self._shown / self.name / 'benchmark_data.db'}", bar=outer)
        world.err()
        replies, seconds, stamps = asyncio.run(self._all(texts))
        self._write(settings, replies, seconds, stamps)
        return 0

    def _settings(self) -> dict[str, Any]:
        hidden = ("command", "api_key")
        shown = {key: value for key, value in vars(self._args).items() if key not in hidden}
        return shown | {
            "model_id": self._model_id,
            "api_key": None,
            "url": self._url,
            "number": self._number,
            "parallel": self._parallel,
            "rate": self._args.rate[0],
            "max_tokens": self._args.max_tokens[0],
            "outputs_dir": str(self._shown / self.name),
            "note": world.MARK,
        }

    def _prompts(self) -> list[str]:
        args = self._args
        if args.dataset == "line_by_line":
            text = world.real(args.dataset_path or "").read_text(encoding="utf-8")
            lines = [line for line in text.splitlines() if line.strip()]
            return [lines[at % len(lines)] for at in range(self._number)]
        if args.tokenizer_path:
            prompts.check_tokenizer(args.tokenizer_path)
        high = min(args.max_prompt_length, 8192)
        low = min(args.min_prompt_length, high) or min(high, 256)
        drawn = prompts.random_words(self._number, low, high, (1, 1), args.seed or 0)
        return [prompt.text for prompt in drawn]

    async def _one(self, text: str, most: int | None = None) -> Reply:
        args = self._args
        limit = most or args.max_tokens[0]
        body: dict[str, Any] = {
            "model": args.model,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": limit,
            "stream": bool(args.stream),
            "temperature": args.temperature,
            **(args.extra_args or {}),
        }
        if args.stream:
            body["stream_options"] = {"include_usage": True}
        if args.min_tokens and not most:
            body["min_tokens"] = args.min_tokens
        return await client.ask(self._url, body, key=args.api_key, timeout=args.total_timeout)

    async def _all(self, texts: Sequence[str]) -> tuple[list[Reply], float, list[float]]:
        gate = asyncio.Semaphore(self._parallel)
        bar = bars.Bar(len(texts), f"Processing[{self.name}]")
        stamps: list[float] = []
        began = time.perf_counter()

        async def one(text: str) -> Reply:
            async with gate:
                reply = await self._one(text)
            stamps.append(time.perf_counter() - began)
            bar.add()
            return reply

        replies = list(await asyncio.gather(*map(one, texts)))
        seconds = time.perf_counter() - began
        bar.close()
        return replies, max(seconds, 1e-6), stamps

    def _write(
        self,
        settings: dict[str, Any],
        replies: Sequence[Reply],
        seconds: float,
        stamps: Sequence[float],
    ) -> None:
        good = [reply for reply in replies if reply.ok]
        if world.fault("exit0_no_result"):
            return
        out = sum(reply.output_tokens for reply in good)
        sent = sum(reply.prompt_tokens for reply in good)
        self.summary = {
            "Test Duration (s)": round(seconds, 4),
            "Concurrency": self._parallel,
            "Request Rate (req/s)": self._args.rate[0],
            "Total Requests": len(replies),
            "Success Requests": len(good),
            "Failed Requests": len(replies) - len(good),
            "Stream Requests": len(replies) if self._args.stream else 0,
            "Non-Stream Requests": 0 if self._args.stream else len(replies),
            "Req Throughput (req/s)": round(len(good) / seconds, 4),
            "Avg Latency (s)": round(mean([r.latency for r in good]), 4),
            "Avg Input Tokens": round(mean([float(r.prompt_tokens) for r in good]), 4),
            "Output Throughput (tok/s)": round(out / seconds, 4),
            "Total Throughput (tok/s)": round((out + sent) / seconds, 4),
            "Avg TTFT (ms)": round(mean([1000 * r.ttft for r in good]), 2),
            "Avg TPOT (ms)": round(mean([_tpot(r) for r in good]), 2),
            "Avg ITL (ms)": round(mean([1000 * gap for r in good for gap in r.itl]), 2),
            "Avg Output Tokens": round(mean([float(r.output_tokens) for r in good]), 4),
            "Input Throughput (tok/s)": 0.0,
        }
        done = 0
        points = []
        for reply, stamp in zip(good, stamps, strict=False):
            done += reply.output_tokens
            points.append({"t": round(stamp, 6), "cum_completion": done})
        for name, value in (
            ("benchmark_args.json", settings),
            ("benchmark_summary.json", self.summary),
            ("benchmark_percentile.json", _percentiles(good)),
            ("workload_timeline.json", {"wall_start": 0.0, "points": points}),
        ):
            text = json.dumps(value, indent=4, ensure_ascii=False)
            (self._folder / name).write_text(text, encoding="utf-8")


def _tpot(reply: Reply) -> float:
    return 1000 * (reply.latency - reply.ttft) / max(1, reply.output_tokens - 1)


def _percentiles(good: Sequence[Reply]) -> list[dict[str, Any]]:
    columns = {
        "Latency (s)": [r.latency for r in good],
        "TTFT (ms)": [1000 * r.ttft for r in good],
        "ITL (ms)": [1000 * gap for r in good for gap in r.itl],
        "TPOT (ms)": [_tpot(r) for r in good],
        "Input tokens": [float(r.prompt_tokens) for r in good],
        "Output tokens": [float(r.output_tokens) for r in good],
        "Output (tok/s)": [r.output_tokens / r.latency for r in good],
        "Total (tok/s)": [(r.prompt_tokens + r.output_tokens) / r.latency for r in good],
        "Decode (tok/s)": [1000 / max(_tpot(r), 1e-6) for r in good],
    }
    return [
        {"Percentiles": name}
        | {key: round(percentile(values, share), 4) for key, values in columns.items()}
        for name, share in SHARES
    ]


def _table(args: argparse.Namespace, summaries: Sequence[dict[str, Any]], shown: Path) -> str:
    head = f"│ {'Performance Test Summary Report':<76} │"
    lines = ["╭" + "─" * 78 + "╮", head, "╰" + "─" * 78 + "╯", "", "Basic Information:"]
    lines += [f"  Model: {args.model} ({world.MARK})", f"  Output Path: {shown}", ""]
    lines.append("Conc.   Num      RPS      Gen/s   Success")
    for one in summaries:
        share = 100 * one["Success Requests"] / max(1, one["Total Requests"]) if one else 0
        if one:
            lines.append(
                f"{one['Concurrency']:5d} {one['Total Requests']:5d} "
                f"{one['Req Throughput (req/s)']:8.2f} "
                f"{one['Output Throughput (tok/s)']:10.2f} {share:8.0f}%"
            )
    return "\n".join(lines)


def _crash(last: str) -> int:
    world.err(
        'Traceback (most recent call last):\n  File "/opt/venv/bin/evalscope", line 8, in '
        f"<module>\n    sys.exit(run_cmd())\n{last}"
    )
    return 1
