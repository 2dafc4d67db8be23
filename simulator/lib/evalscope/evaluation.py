"""``evalscope eval``: asks, reviews, reports; all lines go to stderr as with the true one."""

import argparse
import asyncio
import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.lib import bars, client, world
from simulator.lib.evalscope import log, reports
from simulator.lib.evalscope import questions_of as sets
from simulator.lib.evalscope.log import say
from simulator.lib.evalscope.questions_of import Item
from simulator.lib.evalscope.reports import Done


def run(args: argparse.Namespace) -> int:
    """Run the evaluation; its exit code."""
    if not args.datasets:
        return _crash("ValueError: No datasets provided.")
    for name in args.datasets:
        if name not in sets.KNOWN:
            return _crash(
                f"ValueError: Benchmark '{name}' not found. Available benchmarks: "
                f"{', '.join(sorted(sets.KNOWN))}"
            )
    say("Args: Task config is provided with CommandLine type.")
    say("Running with native backend")
    base = Path(args.work_dir or "outputs")
    shown = base if args.no_timestamp else base / time.strftime("%Y%m%d_%H%M%S")
    if args.use_cache:
        shown = Path(args.use_cache)
    folder = world.real(shown)
    log.to(folder / "logs/eval_log.log")
    try:
        return _Run(args, folder).run()
    except OSError as error:
        return _crash(
            f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{error.filename}'"
        )


class _Files:
    """``predictions`` and ``reviews`` of one benchmark, a file a subset, a line as it comes.

    The true one has reviews in a file of another name until its benchmark is done.
    """

    def __init__(self, folder: Path, model_id: str, model: str, name: str, longest: int) -> None:
        self._folder, self._model_id, self._model, self._name = folder, model_id, model, name
        self._longest = longest
        self._reviews: dict[Path, Path] = {}

    def add(self, done: Done) -> None:
        """Append the answers and their scores."""
        predictions, reviews = self._path("predictions", done), self._path("reviews", done)
        _append(predictions, _prediction(done, self._model, self._longest))
        rerun = f"{reviews.name}.rerun-{secrets.token_hex(16)}"
        _append(
            self._reviews.setdefault(reviews, reviews.with_name(rerun)), _review(done, self._model)
        )

    def close(self) -> None:
        """Give the reviews their names."""
        for path, written in self._reviews.items():
            written.replace(path)

    def _path(self, sort: str, done: Done) -> Path:
        return self._folder / sort / self._model_id / f"{self._name}_{done.subset}.jsonl"


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


class _Run:
    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self._args, self._folder = args, folder
        self._model_id = args.model_id or str(args.model).rpartition("/")[2]
        self._base = (args.api_url or "").removesuffix("/chat/completions").rstrip("/")
        # An empty key on the command line leaves the one of the environment.
        self._key = args.api_key or os.environ.get("EVALSCOPE_API_KEY", "")
        self._done: dict[str, list[Done]] = {}

    def run(self) -> int:
        """All benchmarks, one after another; the exit code."""
        path = self._folder / "configs/task_config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = {key: value for key, value in vars(self._args).items() if key != "api_key"}
        text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in settings.items())
        path.write_text(f"# {world.MARK}\n{text}evalscope_version: 1.14.1\n", encoding="utf-8")
        say(f"Dump task config to {path.absolute()}")
        say(json.dumps(settings, indent=4, ensure_ascii=False))
        world.sleep(60)
        bar = bars.Bar(len(self._args.datasets), "Running[eval]", unit="benchmark")
        failed = False
        for name in self._args.datasets:
            failed = not self._benchmark(name, bar) or failed
            if failed and not self._args.ignore_errors:
                bar.close()
                return _crash("RuntimeError: Error when calling the model: Connection error.")
            bar.add()
        bar.close()
        say("Overall report table: \n" + reports.table(self._model_id, self._done) + "\n")
        self._write_page()
        say(f"Finished evaluation for {self._model_id} on {list(self._args.datasets)}")
        say(f"Output directory: {self._folder.absolute()}")
        return 0

    def _benchmark(self, name: str, outer: bars.Bar) -> bool:
        """One benchmark; False when a request failed for good."""
        given = (self._args.dataset_args or {}).get(name) or {}
        say(f"Start loading benchmark dataset: {name}", bar=outer)
        subsets = sets.subsets_of(name, given)
        asked = [
            (subset, item)
            for subset in subsets
            for item in sets.items(name, subset, given, self._args.limit, self._args.seed)
        ]
        say(
            f"{name}: {len(asked)} samples to evaluate ({len(subsets)} subset"
            f"{'s' if len(subsets) != 1 else ''})",
            bar=outer,
        )
        say(f"Subsets of {name}: {subsets}", bar=outer)
        say("Loading model for prediction...", bar=outer)
        say(
            f"Creating model {self._args.model} with eval_type=openai_api base_url={self._base}",
            bar=outer,
        )
        say("Model loaded successfully.", bar=outer)
        world.err()
        bar = bars.Bar(len(asked), f"Evaluating[{name}]")
        files = _Files(self._folder, self._model_id, str(self._args.model), name, self._longest())
        done = asyncio.run(self._ask_all(asked, bar, files))
        bar.close()
        self._done[name] = done
        say(f"{name}: predictions complete, aggregating scores...", bar=outer)
        for subset in subsets:
            say(f"Aggregating scores for subset: {subset}", bar=outer)
        files.close()
        say("Generating report...", bar=outer)
        one = reports.table(self._model_id, {name: done})
        say(f"\n{name} report table:\n{one} \n", bar=outer)
        path = self._folder / "reports" / self._model_id / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        report = reports.report(self._model_id, name, done)
        path.write_text(json.dumps(report, indent=4, ensure_ascii=False), encoding="utf-8")
        say(f"Dump report to: {path} \n", bar=outer)
        say(f"Benchmark {name} evaluation finished.", bar=outer)
        return all(item.ok for item in done)

    def _longest(self) -> int:
        return int(self._args.generation_config.get("max_tokens") or 2048)

    async def _ask_all(
        self, asked: Sequence[tuple[str, Item]], bar: bars.Bar, files: _Files
    ) -> list[Done]:
        gate = asyncio.Semaphore(self._args.eval_batch_size or 1)

        async def one(number: int, subset: str, item: Item) -> Done:
            async with gate:
                done = await self._ask(number, subset, item)
            if done.ok:
                files.add(done)
            else:
                say(f"Processing item in subset={subset!r} failed: {done.reply.status}", "ERROR")
            bar.add()
            return done

        counts: dict[str, int] = {}
        tasks = []
        for subset, item in asked:
            counts[subset] = counts.get(subset, -1) + 1
            tasks.append(one(counts[subset], subset, item))
        return list(await asyncio.gather(*tasks))

    async def _ask(self, number: int, subset: str, item: Item) -> Done:
        known = ("max_tokens", "temperature", "top_p", "top_k", "n", "seed", "stream")
        given = self._args.generation_config
        body: dict[str, Any] = {
            "model": self._args.model,
            "messages": [{"role": "user", "content": item.prompt}],
            **{key: given[key] for key in known if key in given},
        }
        if self._args.stream or body.get("stream"):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        url = f"{self._base}/chat/completions"
        for _ in range(1 + int(given.get("retries", 1))):
            reply = await client.ask(url, body, key=self._key)
            if reply.ok:
                break
        extracted = sets.extracted(item, reply.text)
        return Done(number, subset, item, reply, extracted, sets.is_right(item, extracted))

    def _write_page(self) -> None:
        page = self._folder / "reports/report.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<!doctype html><title>{world.MARK}</title>\n", encoding="utf-8")
        say(f"HTML report generated: {page.absolute()}")


def _messages(done: Done, model: str) -> list[dict[str, Any]]:
    reply = done.reply
    perf = {
        "latency": reply.latency,
        "ttft": reply.ttft or None,
        "input_tokens": reply.prompt_tokens,
        "output_tokens": reply.output_tokens,
        "tpot": None,
    }
    asked = {
        "id": secrets.token_hex(4),
        "content": done.item.prompt,
        "source": None,
        "metadata": None,
        "internal": None,
        "perf_metrics": None,
        "role": "user",
        "tool_call_id": None,
    }
    content: Any = reply.text
    if reply.thought:
        content = [
            {"type": "reasoning", "reasoning": reply.thought},
            {"type": "text", "text": reply.text},
        ]
    answer = {
        "id": secrets.token_hex(4),
        "content": content,
        "source": "generate",
        "metadata": None,
        "internal": None,
        "perf_metrics": perf,
        "role": "assistant",
        "tool_calls": None,
        "model": model,
    }
    return [asked, answer]


def _prediction(done: Done, model: str, longest: int) -> dict[str, Any]:
    asked, answer = _messages(done, model)
    is_cut = done.reply.output_tokens >= longest
    choice = {"message": answer, "stop_reason": "max_tokens" if is_cut else "stop"}
    return {
        "index": done.number,
        "model": model,
        "messages": [asked, answer],
        "model_output": {"model": model, "choices": [choice], "note": world.MARK},
        "metadata": {},
    }


def _review(done: Done, model: str) -> dict[str, Any]:
    score = {
        "value": {reports.METRIC: float(done.right)},
        "status": "success",
        "judge_summary": None,
        "extracted_prediction": done.answer,
        "prediction": done.reply.text,
        "explanation": None,
        "metadata": {"note": world.MARK},
        "main_score_name": reports.METRIC,
    }
    return {
        "index": done.number,
        "target": [done.item.gold],
        "messages": _messages(done, model),
        "agent_trace": None,
        "sample_score": {
            "score": score,
            "sample_id": done.number,
            "group_id": done.number,
            "generation_index": 0,
            "sample_metadata": {"id": f"{world.MARK}-{done.number}"},
        },
    }


def _crash(last: str) -> int:
    world.err(
        'Traceback (most recent call last):\n  File "/opt/venv/bin/evalscope", line 8, in '
        f"<module>\n    sys.exit(run_cmd())\n{last}"
    )
    return 1
