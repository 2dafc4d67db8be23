"""``benchmark_serving.py`` of 0.7.2 and ``vllm bench serve``: they really send and measure."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simulator.lib import bars, client, options, world
from simulator.lib.client import Reply
from simulator.lib.vllm import figures, options_old, prompts
from simulator.lib.vllm.figures import Figures
from simulator.lib.vllm.prompts import DatasetError, Prompt

_SCRIPT = "/workspace/vllm/benchmarks/benchmark_serving.py"


def old_main(argv: Sequence[str]) -> int:
    """Run ``benchmark_serving.py``; its exit code."""
    parser = options.Flexible(
        "benchmark_serving.py",
        description="Benchmark the online serving throughput.",
    )
    options.add(parser, options_old.BENCH_SERVE)
    args = parser.parse_args(argv)
    if args.model is None:
        parser.error("the following arguments are required: --model")
    world.out(str(args))
    try:
        return _old(args)
    except DatasetError as error:
        return _crash(str(error), _SCRIPT)


def _old(args: argparse.Namespace) -> int:
    prompts.check_tokenizer(args.tokenizer or args.model)
    asked = _sample_old(args)
    backend = "vllm" if world.fault("wrong_backend") else args.backend
    url = f"{args.base_url or f'http://{args.host}:{args.port}'}{args.endpoint}"
    chat = backend == "openai-chat"
    if chat and not url.endswith("chat/completions"):
        return _crash(
            "AssertionError: OpenAI Chat Completions API URL must end with 'chat/completions'.",
            _SCRIPT,
        )
    sender = _Sender(url, chat=chat, body=_old_body(args, chat=chat))
    world.out("Starting initial single prompt test run...")
    test = asyncio.run(sender.one(asked[0]))
    if not test.ok:
        return _crash(
            "ValueError: Initial test run failed - Please make sure benchmark arguments are "
            f"correctly specified. Error: {test.error}",
            _SCRIPT,
        )
    world.out("Initial test run completed. Starting main benchmark run...")
    result = _main_run(sender, asked, args)
    names = args.percentile_metrics.split(",")
    shares = [float(text) for text in args.metric_percentiles.split(",")]
    rows = _old_rows(result, args)
    world.out(figures.block(rows, result, names, shares))
    if not (args.save_result and not world.fault("exit0_no_result")):
        return 0
    now = time.strftime("%Y%m%d-%H%M%S")
    head = {
        "date": now,
        "backend": args.backend,
        "model_id": args.model,
        "tokenizer_id": args.tokenizer or args.model,
        "best_of": args.best_of,
        "num_prompts": args.num_prompts,
        **_metadata(args),
        "request_rate": args.request_rate if args.request_rate < float("inf") else "inf",
        "burstiness": args.burstiness,
        "max_concurrency": args.max_concurrency,
        "duration": result.seconds,
        "completed": len(result.good),
        "total_input_tokens": result.prompt_tokens,
        "total_output_tokens": result.output_tokens,
        "request_throughput": len(result.good) / result.seconds,
        "request_goodput:": result.goodput_rate(),
        "output_throughput": result.output_tokens / result.seconds,
        "total_token_throughput": (result.prompt_tokens + result.output_tokens) / result.seconds,
        **_lists(result, asked),
        **result.statistics(names, shares),
    }
    return _save(head, args, _old_name(args, now), made=False)


def _sample_old(args: argparse.Namespace) -> list[Prompt]:
    if args.dataset_name == "sonnet":
        sizes = (args.sonnet_input_len, args.sonnet_output_len, args.sonnet_prefix_len)
        return prompts.sonnet(args.dataset_path or "", args.num_prompts, sizes, args.seed)
    if args.dataset_name == "random":
        ratio = args.random_range_ratio
        size, out = args.random_input_len + args.random_prefix_len, args.random_output_len
        low, least = int(size * ratio), int(out * ratio)
        return prompts.random_words(args.num_prompts, low, size, (least, out), args.seed)
    path = args.dataset_path or args.dataset or ""
    return prompts.sharegpt(path, args.num_prompts, args.sharegpt_output_len, args.seed)


def _old_body(args: argparse.Namespace, *, chat: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": args.served_model_name or args.model,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if not chat:
        body |= {"best_of": args.best_of, "logprobs": args.logprobs}
    if args.ignore_eos:
        body["ignore_eos"] = True
    return body


def _old_rows(result: Figures, args: argparse.Namespace) -> list[tuple[str, Any]]:
    good = result.goodput_rate()
    rows: list[tuple[str, Any]] = [
        ("Successful requests:", len(result.good)),
        ("Benchmark duration (s):", result.seconds),
        ("Total input tokens:", result.prompt_tokens),
        ("Total generated tokens:", result.output_tokens),
        ("Request throughput (req/s):", len(result.good) / result.seconds),
    ]
    if good is not None:
        rows.append(("Request goodput (req/s):", good))
    rows.append(("Output token throughput (tok/s):", result.output_tokens / result.seconds))
    total = result.prompt_tokens + result.output_tokens
    rows.append(("Total Token throughput (tok/s):", total / result.seconds))
    return rows


# -- the current one ------------------------------------------------------------------------------


def new(args: argparse.Namespace) -> int:
    """Run ``vllm bench serve``; its exit code."""
    args.bench_type = "serve"
    world.out(str(args))
    try:
        return _new(args)
    except DatasetError as error:
        return _crash(str(error), "/usr/local/bin/vllm")


def _new(args: argparse.Namespace) -> int:
    base = args.base_url or f"http://{args.host}:{args.port}"
    if args.model is None:
        world.out("Model not specified, fetching first model from server...")
        first = _first_model(base)
        args.model = first
        world.out(f"First model name: {first}, first model id: {first}")
    name = args.served_model_name or args.model
    prompts.check_tokenizer(args.tokenizer or args.model)
    asked = _sample_new(args)
    backend = "openai" if world.fault("wrong_backend") else args.backend
    chat = backend == "openai-chat"
    if chat != args.endpoint.endswith("chat/completions") and chat:
        return _crash(
            "ValueError: OpenAI Chat Completions API URL must end with one of: "
            "{'chat/completions', 'profile'}.",
            "/usr/local/bin/vllm",
        )
    body = _new_body(args, name)
    if "temperature" not in body:
        world.out(
            "WARNING: vllm bench serve no longer sets temperature==0 (greedy) in requests by "
            "default. The default will be determined on the server side and can be model/API "
            "specific. For the old behavior, include --temperature=0."
        )
    sender = _Sender(f"{base}{args.endpoint}", chat=chat, body=body)
    refused = _ready(sender, asked, args)
    if refused is not None:
        return refused
    world.out("Starting main benchmark run...")
    result = _main_run(sender, asked, args)
    names = (args.percentile_metrics or "ttft,tpot,itl").split(",")
    shares = [float(text) for text in args.metric_percentiles.split(",")]
    bad = [reply for reply in result.replies if not reply.ok]
    if bad:
        world.out("Failed requests during benchmark run detected (capping to 10):")
        for number, reply in enumerate(bad[:10]):
            world.out(f"Error {number}: {reply.error}")
    world.out("tip: install termplotlib and gnuplot to plot the metrics")
    world.out(figures.block(_new_rows(result, args), result, names, shares))
    if not (args.save_result or args.append_result) or world.fault("exit0_no_result"):
        return 0
    now = time.strftime("%Y%m%d-%H%M%S")
    report = _new_json(result, asked, args, now) | result.statistics(names, shares)
    return _save(report, args, _new_name(args, now), made=True)


def _ready(sender: _Sender, asked: list[Prompt], args: argparse.Namespace) -> int | None:
    """The single request before the run, and the warm-ups; None: go on."""
    if args.ready_check_timeout_sec > 0:
        world.out("Starting initial single prompt test run...")
        world.out(f"Waiting for endpoint to become up in {args.ready_check_timeout_sec} seconds")
        test = asyncio.run(sender.one(asked[0]))
        if not test.ok:
            return _crash(
                "ValueError: Initial test run failed - Please make sure benchmark arguments are "
                f"correctly specified. Error: {test.error}",
                "/usr/local/bin/vllm",
            )
        world.out("Initial test run completed.")
    else:
        world.out("Skipping endpoint ready check.")
    if args.num_warmups > 0:
        world.out(f"Warming up with {args.num_warmups} requests...")
        for _ in range(args.num_warmups):
            asyncio.run(sender.one(asked[0]))
        world.out("Warmup run completed.")
    return None


def _sample_new(args: argparse.Namespace) -> list[Prompt]:
    size = args.input_len or args.random_input_len
    out = args.output_len or args.random_output_len
    if args.dataset_name == "sonnet":
        sizes = (args.sonnet_input_len, args.sonnet_output_len, args.sonnet_prefix_len)
        return prompts.sonnet(args.dataset_path or "", args.num_prompts, sizes, args.seed)
    if args.dataset_name == "sharegpt":
        if not args.dataset_path:
            raise DatasetError("ValueError: dataset_path must be provided for loading data.")
        return prompts.sharegpt(
            args.dataset_path, args.num_prompts, args.sharegpt_output_len, args.seed
        )
    if args.dataset_name == "custom":
        return prompts.custom(args.dataset_path or "", args.num_prompts, args.custom_output_len)
    if args.dataset_name != "random":
        raise DatasetError(f"ValueError: Unknown dataset: {args.dataset_name}")
    ratio = args.random_range_ratio
    low, high = int(size * (1 - ratio)), int(size * (1 + ratio))
    outs = (int(out * (1 - ratio)), int(out * (1 + ratio)))
    world.out(
        f"INFO {time.strftime('%m-%d %H:%M:%S')} [datasets.py:622] Sampling input_len from "
        f"[{low}, {high}] and output_len from [{outs[0]}, {outs[1]}]"
    )
    args.ignore_eos = True  # as the tool does for random data
    return prompts.random_words(
        args.num_prompts,
        low + args.random_prefix_len,
        high + args.random_prefix_len,
        outs,
        args.seed,
    )


def _new_body(args: argparse.Namespace, name: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": name,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    sampling = (
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "frequency_penalty",
        "presence_penalty",
        "repetition_penalty",
    )
    body |= {key: getattr(args, key) for key in sampling if getattr(args, key) is not None}
    if args.ignore_eos:
        body["ignore_eos"] = True
    return body | (args.extra_body or {})


def _new_rows(result: Figures, args: argparse.Namespace) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("Successful requests:", len(result.good)),
        ("Failed requests:", len(result.replies) - len(result.good)),
    ]
    if args.max_concurrency is not None:
        rows.append(("Maximum request concurrency:", args.max_concurrency))
    if args.request_rate < float("inf"):
        rows.append(("Request rate configured (RPS):", args.request_rate))
    rows += [
        ("Benchmark duration (s):", result.seconds),
        ("Total input tokens:", result.prompt_tokens),
        ("Total generated tokens:", result.output_tokens),
        ("Request throughput (req/s):", len(result.good) / result.seconds),
    ]
    good = result.goodput_rate()
    if good is not None:
        rows.append(("Request goodput (req/s):", good))
    total = result.prompt_tokens + result.output_tokens
    return [
        *rows,
        ("Output token throughput (tok/s):", result.output_tokens / result.seconds),
        ("Peak output token throughput (tok/s):", result.peak_tokens()),
        ("Peak concurrent requests:", float(result.peak_requests())),
        ("Total token throughput (tok/s):", total / result.seconds),
    ]


def _new_json(
    result: Figures, asked: list[Prompt], args: argparse.Namespace, now: str
) -> dict[str, Any]:
    report = {
        "date": now,
        "endpoint_type": args.backend,
        "backend": args.backend,
        "label": args.label,
        "model_id": args.model,
        "tokenizer_id": args.tokenizer or args.model,
        "num_prompts": args.num_prompts,
        **_metadata(args),
        "request_rate": args.request_rate if args.request_rate < float("inf") else "inf",
        "burstiness": args.burstiness,
        "max_concurrency": args.max_concurrency,
        "duration": result.seconds,
        "completed": len(result.good),
        "failed": len(result.replies) - len(result.good),
        "total_input_tokens": result.prompt_tokens,
        "total_output_tokens": result.output_tokens,
        "request_throughput": len(result.good) / result.seconds,
        "request_goodput": result.goodput_rate(),
        "output_throughput": result.output_tokens / result.seconds,
        "total_token_throughput": (result.prompt_tokens + result.output_tokens) / result.seconds,
    }
    if args.save_detailed:
        report |= _lists(result, asked) | {"start_times": [r.start for r in result.replies]}
    return report | {
        "max_output_tokens_per_s": result.peak_tokens(),
        "max_concurrent_requests": result.peak_requests(),
        "rtfx": 0.0,
    }


def _first_model(base: str) -> str:
    headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY')}"}
    try:
        request = urllib.request.Request(f"{base}/v1/models", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["data"][0]["id"])
    except OSError as error:
        raise DatasetError(
            f"RuntimeError: Failed to fetch models from server at {base}/v1/models: {error}"
        ) from None


# -- both -----------------------------------------------------------------------------------------


class _Sender:
    """Sends prompts to one endpoint."""

    def __init__(self, url: str, *, chat: bool, body: dict[str, Any]) -> None:
        self._url, self._chat, self._body = url, chat, body
        # Both tools send the text "None" when no key is set.
        self._key = os.environ.get("OPENAI_API_KEY", "None")

    async def one(self, prompt: Prompt) -> Reply:
        """Send one prompt; its reply."""
        body = dict(self._body)
        if self._chat:
            body["messages"] = [{"role": "user", "content": prompt.text}]
            body["max_completion_tokens"] = prompt.output
        else:
            body |= {"prompt": prompt.text, "max_tokens": prompt.output}
        if world.fault("exit0_no_result"):
            return Reply(error="Not Found", start=time.perf_counter())
        reply = await client.ask(self._url, body, key=self._key, timeout=6 * 3600)
        if reply.ok and not reply.output_tokens:
            reply.ok, reply.error = False, "Never received a valid chunk to calculate TTFT."
        return reply


def _main_run(sender: _Sender, asked: list[Prompt], args: argparse.Namespace) -> Figures:
    world.out(f"Traffic request rate: {args.request_rate}")
    sort = "Poisson process" if args.burstiness == 1.0 else "Gamma distribution"
    world.out(f"Burstiness factor: {args.burstiness} ({sort})")
    world.out(f"Maximum request concurrency: {args.max_concurrency}")
    if world.fault("benchmark_waits"):
        world.out("Simulated: waits while the fault benchmark_waits is on")
        while world.fault("benchmark_waits"):
            time.sleep(0.05)
    replies, seconds = asyncio.run(_send_all(sender, asked, args))
    goodput = []
    for text in args.goodput or ():
        name, _, value = text.partition(":")
        goodput.append((name, float(value)))
    sent = sum(p.tokens for p, reply in zip(asked, replies, strict=True) if reply.ok)
    return Figures(tuple(replies), sent, seconds, tuple(goodput))


async def _send_all(
    sender: _Sender, asked: list[Prompt], args: argparse.Namespace
) -> tuple[list[Reply], float]:
    gate = asyncio.Semaphore(args.max_concurrency or len(asked) or 1)
    bar = None if args.disable_tqdm else bars.Bar(len(asked))
    began = time.perf_counter()
    dice = random.Random(args.seed)

    async def one(prompt: Prompt) -> Reply:
        async with gate:
            reply = await sender.one(prompt)
        if bar is not None:
            bar.add()
        return reply

    tasks = []
    for prompt in asked:
        tasks.append(asyncio.ensure_future(one(prompt)))
        if args.request_rate < float("inf"):
            await asyncio.sleep(dice.expovariate(args.request_rate))
    replies = [await task for task in tasks]
    seconds = time.perf_counter() - began
    if bar is not None:
        bar.close()
    return replies, max(seconds, 1e-6)


def _lists(result: Figures, asked: list[Prompt]) -> dict[str, Any]:
    pairs = list(zip(asked, result.replies, strict=True))
    return {
        "input_lens": [prompt.tokens if reply.ok else 0 for prompt, reply in pairs],
        "output_lens": [reply.output_tokens if reply.ok else 0 for _, reply in pairs],
        "ttfts": [reply.ttft for _, reply in pairs],
        "itls": [reply.itl for _, reply in pairs],
        "generated_texts": [reply.text for _, reply in pairs],
        "errors": [reply.error for _, reply in pairs],
    }


def _metadata(args: argparse.Namespace) -> dict[str, str]:
    """``--metadata``, and our mark beside it, where the tool keeps such notes."""
    metadata = {"note": world.MARK}
    for text in args.metadata or ():
        key, equals, value = text.partition("=")
        if not equals:
            raise DatasetError("ValueError: Invalid metadata format. Please use KEY=VALUE format.")
        metadata[key.strip()] = value.strip()
    return metadata


def _old_name(args: argparse.Namespace, now: str) -> str:
    few = f"-concurrency{args.max_concurrency}" if args.max_concurrency else ""
    return f"{args.backend}-{args.request_rate}qps{few}-{args.model.rpartition('/')[2]}-{now}.json"


def _new_name(args: argparse.Namespace, now: str) -> str:
    few = f"-concurrency{args.max_concurrency}" if args.max_concurrency else ""
    label = args.label or args.backend
    return f"{label}-{args.request_rate}qps{few}-{args.model.rpartition('/')[2]}-{now}.json"


def _save(report: dict[str, Any], args: argparse.Namespace, name: str, *, made: bool) -> int:
    """Write the file; 0.7.2 does not make its folder, the current one does."""
    shown = args.result_filename or name
    if args.result_dir:
        shown = str(Path(args.result_dir, shown))
    path = world.real(shown)
    if world.fault("result_dir_missing"):
        path = world.real(str(Path(args.result_dir or ".", "gone", "result.json")))
    elif made:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(json.dumps(report), encoding="utf-8")
    except OSError as error:
        return _crash(
            f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{shown}'", _SCRIPT
        )
    return 0


def _crash(last: str, script: str) -> int:
    world.err(
        f'Traceback (most recent call last):\n  File "{script}", line 1241, in <module>\n'
        f"    main(args)\n{last}"
    )
    return 1
