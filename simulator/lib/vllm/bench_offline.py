"""Throughput and latency without a server: the tools load the model themselves."""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence

from simulator.lib import bars, options, world
from simulator.lib.vllm import engine as engines
from simulator.lib.vllm import figures, options_old, prompts, startup
from simulator.lib.vllm.capacity import StartError
from simulator.lib.vllm.logs import Log
from simulator.lib.vllm.metrics import Metrics
from simulator.lib.vllm.prompts import DatasetError, Prompt

SHARES = (10, 25, 50, 75, 90, 99)


def throughput(argv: Sequence[str], script: str) -> int:
    """Run ``benchmark_throughput.py`` of 0.7.2; its exit code."""
    parser = options.Flexible(script, description="Benchmark the throughput.")
    for table in (options_old.BENCH_THROUGHPUT, options_old.ENGINE, options_old.ASYNC):
        options.add(parser, table)
    args = parser.parse_args(argv)
    if args.dataset is None and (args.input_len is None or args.output_len is None):
        return _crash("AssertionError")
    world.out(str(args))
    return run_throughput(args)


def latency(argv: Sequence[str], script: str) -> int:
    """Run ``benchmark_latency.py`` of 0.7.2; its exit code."""
    parser = options.Flexible(
        script,
        description="Benchmark the latency of processing a single batch of requests till "
        "completion.",
    )
    for table in (options_old.BENCH_LATENCY, options_old.ENGINE):
        options.add(parser, table)
    return run_latency(parser.parse_args(argv))


def run_throughput(args: argparse.Namespace) -> int:
    """Load the model, run all prompts, print and write the figures."""
    log = _log()
    try:
        asked = _prompts(args)
        loaded = startup.load(args, args.model, log)
    except DatasetError as error:
        return _crash(str(error))
    except StartError as error:
        return _not_started(error, log)
    longest = max(prompt.tokens + prompt.output for prompt in asked)
    if longest > loaded.max_len:
        return _crash(
            "AssertionError: Please ensure that max_model_len is greater than the sum of "
            "prompt_len and expected_output_len for all requests."
        )
    began = time.perf_counter()
    done = asyncio.run(_all(_engine(loaded, log.version), asked, "Processed prompts"))
    seconds = max(time.perf_counter() - began, 1e-6)
    sent = sum(prompt.tokens for prompt in asked)
    total = sent + done
    if not world.fault("exit0_no_result"):
        world.out(
            f"Throughput: {len(asked) / seconds:.2f} requests/s, {total / seconds:.2f} total "
            f"tokens/s, {done / seconds:.2f} output tokens/s"
        )
        if not log.is_old:
            world.out(f"Total num prompt tokens:  {sent}\nTotal num output tokens:  {done}")
        _write(
            args.output_json,
            {
                "elapsed_time": seconds,
                "num_requests": len(asked),
                "total_num_tokens": total,
                "requests_per_second": len(asked) / seconds,
                "tokens_per_second": total / seconds,
                "note": world.MARK,
            },
        )
    return 0


def run_latency(args: argparse.Namespace) -> int:
    """Load the model, run one batch again and again, print and write the figures."""
    world.out(str(args))
    log = _log()
    try:
        prompts.check_tokenizer(args.tokenizer or args.model)
        loaded = startup.load(args, args.model, log)
    except DatasetError as error:
        return _crash(str(error))
    except StartError as error:
        return _not_started(error, log)
    if args.input_len + args.output_len > loaded.max_len:
        return _crash(
            "AssertionError: Please ensure that max_model_len is greater than the sum of "
            "input_len and output_len."
        )
    world.out(
        f"SamplingParams(n={args.n}, temperature=1.0, top_p=1.0, ignore_eos=True, "
        f"max_tokens={args.output_len})"
    )
    batch = [
        Prompt(prompts.exactly(args.input_len, ("latency", at)), args.input_len, args.output_len)
        for at in range(args.batch_size)
    ]
    engine = _engine(loaded, log.version)
    world.out("Warming up...")
    _iterations(engine, batch, args.num_iters_warmup, "Warmup iterations")
    label = "Profiling iterations" if log.is_old else "Bench iterations"
    taken = _iterations(engine, batch, args.num_iters, label)
    if world.fault("exit0_no_result"):
        return 0
    percentiles = {str(share): figures.percentile(taken, share) for share in SHARES}
    world.out(f"Avg latency: {figures.mean(taken)} seconds")
    for share, value in percentiles.items():
        world.out(f"{share}% percentile latency: {value} seconds")
    result = {
        "avg_latency": figures.mean(taken),
        "latencies": taken,
        "percentiles": percentiles,
        "note": world.MARK,
    }
    _write(args.output_json, result)
    return 0


def _log() -> Log:
    return Log(world.vllm_version(), "MainProcess")


def _engine(loaded: startup.Engine, version: str) -> engines.Engine:
    pace = engines.Pace(parallel=engines.PARALLEL, drafts=loaded.drafts)
    return engines.Engine(pace, Metrics(version, loaded.model, {}))


def _prompts(args: argparse.Namespace) -> list[Prompt]:
    prompts.check_tokenizer(args.tokenizer or args.model)
    path = getattr(args, "dataset_path", None) or args.dataset
    name = getattr(args, "dataset_name", "sharegpt" if path else "random")
    if name == "sharegpt" and not path:
        world.out("When dataset path is not set, it will default to random dataset")
        name = "random"
    if name == "sharegpt":
        return prompts.sharegpt(path, args.num_prompts, args.output_len, args.seed)
    # Where there are lengths of random prompts, they have defaults and come first, as was seen.
    size = getattr(args, "random_input_len", None) or args.input_len or 1024
    out = getattr(args, "random_output_len", None) or args.output_len or 128
    return prompts.random_words(args.num_prompts, size, size, (out, out), args.seed or 0)


async def _one(engine: engines.Engine, prompt: Prompt) -> int:
    request = engines.Request(prompt.text, prompt.tokens, prompt.output, ignore_eos=True)
    return sum([piece.count async for piece in engine.generate(request)])


async def _all(engine: engines.Engine, asked: list[Prompt], label: str) -> int:
    """Run all prompts; how many tokens came."""
    began = time.perf_counter()
    sent = done = at = 0

    def show() -> None:
        seconds = max(time.perf_counter() - began, 1e-6)
        text = bars.line(label, at, len(asked), seconds)
        rates = (
            f"est. speed input: {sent / seconds:.2f} toks/s, output: {done / seconds:.2f} toks/s"
        )
        world.err("\r" + text[:-1] + f", {rates}]", end="")

    async def one(prompt: Prompt) -> None:
        nonlocal sent, done, at
        count = await _one(engine, prompt)
        sent, done, at = sent + prompt.tokens, done + count, at + 1
        show()

    show()
    await asyncio.gather(*map(one, asked))
    world.err()
    return done


def _iterations(engine: engines.Engine, batch: list[Prompt], count: int, label: str) -> list[float]:
    bar = bars.Bar(count, label)
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        asyncio.run(_batch(engine, batch))
        taken.append(time.perf_counter() - began)
        bar.add()
    bar.close()
    return taken


async def _batch(engine: engines.Engine, batch: list[Prompt]) -> None:
    fresh = engines.Engine(engine.pace, engine.metrics)  # its gate belongs to this loop
    await asyncio.gather(*(_one(fresh, prompt) for prompt in batch))


def _write(path: str | None, result: dict[str, object]) -> None:
    if path:
        world.real(path).write_text(json.dumps(result, indent=4), encoding="utf-8")


def _not_started(error: StartError, log: Log) -> int:
    if not log.is_old:
        return startup.failed(error, log)
    return _crash(f"{error.sort}: {error.message}")


def _crash(last: str) -> int:
    world.err(
        'Traceback (most recent call last):\n  File "benchmark.py", line 300, in <module>\n'
        f"    main(args)\n{last}"
    )
    return 1
