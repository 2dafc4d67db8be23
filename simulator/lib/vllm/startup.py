"""From the command line to a loaded model: the phases of both generations, and how they fail."""

import argparse
import contextlib
import os
import signal
import time
from dataclasses import dataclass

from simulator.lib import world
from simulator.lib.vllm import capacity
from simulator.lib.vllm.capacity import Fit, StartError, Weights
from simulator.lib.vllm.logs import Log

SHARD_BYTES_PER_S = 2.0e9  # of the made-up disk
INIT_S = 30.0
OLD_LEN = 163840


@dataclass(frozen=True)
class Engine:
    """A loaded model, ready to answer."""

    weights: Weights
    fit: Fit
    model: str
    max_len: int
    dies: tuple[int, ...]
    drafts: int  # tokens that each step guesses ahead; 0: none


def load(args: argparse.Namespace, model: str, log: Log) -> Engine:
    """Load ``model`` as ``args`` says, with all lines on the way.

    Raises:
        StartError: it does not start; the lines that the engine's process says are printed.
    """
    began = time.monotonic()
    weights = capacity.read(world.real(model), model, version=log.version)
    max_len = args.max_model_len or min(
        int(weights.config.get("max_position_embeddings", 4096)), OLD_LEN
    )
    tp, pp = args.tensor_parallel_size, args.pipeline_parallel_size
    _check_length(max_len, weights, log)
    if log.is_old:
        log.line(f"Started engine process with PID {log.core_pid}", "api_server.py:206")
    log.core(
        f"Initializing a V{0 if log.is_old else 1} LLM engine (v{log.version}) with config: "
        f"model={model!r}, speculative_config={_draft_words(args)}, tokenizer={model!r}, "
        f"skip_tokenizer_init=False, dtype=torch.bfloat16, max_seq_len={max_len}, "
        f"load_format=auto, tensor_parallel_size={tp}, pipeline_parallel_size={pp}, "
        f"quantization={(weights.config.get('quantization_config') or {}).get('quant_method')}, "
        f"enforce_eager={args.enforce_eager}, served_model_name={_served(args, model)[0]}",
        "llm_engine.py:234" if log.is_old else "core.py:101",
    )
    world.sleep(INIT_S / 3)
    dies = capacity.dies(tp * pp)
    _workers(tp * pp, log)
    _read_shards(weights, model, dies, log)
    fit = capacity.fit(
        weights,
        tp=tp,
        pp=pp,
        max_len=max_len,
        version=log.version,
        share=args.gpu_memory_utilization,
    )
    _say_capacity(fit, max_len, began, log)
    return Engine(weights, fit, model, max_len, tuple(dies), _drafts(args))


def _check_length(max_len: int, weights: Weights, log: Log) -> None:
    known = int(weights.config.get("max_position_embeddings", OLD_LEN))
    if max_len > known and os.environ.get("VLLM_ALLOW_LONG_MAX_MODEL_LEN") != "1":
        raise StartError(
            "ValueError",
            f"User-specified max_model_len ({max_len}) is greater than the derived max_model_len "
            f"(max_position_embeddings={known} or model_max_length=None in model's config.json). "
            "This may lead to incorrect model outputs or CUDA errors. To allow overriding this "
            "maximum, set the env var VLLM_ALLOW_LONG_MAX_MODEL_LEN=1",
        )


def _workers(count: int, log: Log) -> None:
    for number in range(1, count):
        if log.is_old:
            log.line(
                "Worker ready; awaiting tasks",
                "multiproc_worker_utils.py:229",
                process="VllmWorkerProcess",
                pid=log.worker_pid + number,
            )


def _read_shards(weights: Weights, model: str, dies: list[int], log: Log) -> None:
    where = "model_runner.py:1110" if log.is_old else "gpu_model_runner.py:4255"
    log.worker(f"Starting to load model {model}...", where)
    began = time.monotonic()
    total = len(weights.shards)
    each = weights.total_bytes / max(1, total) / SHARD_BYTES_PER_S
    log.shard(0, total, 0.0)
    for done in range(1, total + 1):
        world.sleep(each)
        log.shard(done, total, world.since(began))
        if done / total >= 0.5:
            _may_die(dies, log)
    log.plain("", process="Worker_TP0", pid=log.worker_pid)
    if weights.missing:
        raise StartError(
            "ValueError",
            "Following weights were not initialized from checkpoint: "
            f"{{'model.layers.{len(weights.shards) // 3}.mlp.gate_proj.weight', …}} "
            f"({', '.join(weights.missing)} not found)",
        )
    seconds = world.since(began)
    if not log.is_old:
        log.worker(f"Loading weights took {seconds:.2f} seconds", "default_loader.py:293")


def _may_die(dies: list[int], log: Log) -> None:
    if world.fault("oom"):
        if log.is_old:
            log.line(
                f"Worker VllmWorkerProcess pid {log.worker_pid + 1} died, exit code: -9",
                "multiproc_worker_utils.py:121",
                level="ERROR",
            )
        os.kill(os.getpid(), signal.SIGKILL)
    if world.fault("die_vanished"):
        lost = dies[len(dies) // 2]
        with contextlib.suppress(OSError):
            (world.root() / "dev" / f"vacc{lost}").unlink()
        raise StartError("RuntimeError", f"VACC device /dev/vacc{lost} is not available")


def _say_capacity(fit: Fit, max_len: int, began: float, log: Log) -> None:
    gib = fit.weights_bytes / capacity.GIB
    times = fit.kv_tokens / max_len
    took = f"init engine (profile, create kv cache, warmup model) took {INIT_S / 3:.2f} seconds"
    if log.is_old:
        log.line(f"Loading model weights took {gib:.4f} GB", "model_runner.py:1115")
        blocks = fit.kv_tokens // 16
        log.line(f"# CPU blocks: {blocks}, # CPU blocks: 0", "executor_base.py:110")
        log.line(
            f"Maximum concurrency for {max_len} tokens per request: {times:.2f}x",
            "executor_base.py:115",
        )
        world.sleep(INIT_S / 3)
        log.line(took, "llm_engine.py:431")
        return
    log.worker(
        f"Model loading took {gib:.2f} GiB memory and {world.since(began):.6f} seconds",
        "gpu_model_runner.py:4338",
    )
    free = fit.kv_bytes / capacity.GIB
    log.worker(f"Available KV cache memory: {free:.2f} GiB", "gpu_worker.py:424")
    log.core(f"GPU KV cache size: {fit.kv_tokens:,} tokens", "kv_cache_utils.py:1314")
    log.core(
        f"Maximum concurrency for {max_len:,} tokens per request: {times:.2f}x",
        "kv_cache_utils.py:1319",
    )
    world.sleep(INIT_S / 3)
    log.core(took, "core.py:282")


def failed(error: StartError, log: Log) -> int:
    """Say that the engine did not start; the exit code."""
    if log.is_old:
        log.traceback(error.sort, error.message)
        log.plain(
            "Traceback (most recent call last):\n"
            '  File "/usr/local/bin/vllm", line 8, in <module>\n    sys.exit(main())\n'
            "RuntimeError: Engine process failed to start. "
            "See stack trace for the root cause."
        )
        return 1
    log.core(
        f"EngineCore failed to start.\nTraceback (most recent call last):\n"
        f"{error.sort}: {error.message}",
        "core.py:770",
        "ERROR",
    )
    log.traceback(
        "RuntimeError",
        "Engine core initialization failed. See root cause above. Failed core proc(s): {}",
    )
    return 1


def _served(args: argparse.Namespace, model: str) -> list[str]:
    return args.served_model_name or [model]


def _drafts(args: argparse.Namespace) -> int:
    config = getattr(args, "speculative_config", None)
    if config:
        return int(config.get("num_speculative_tokens", 1))
    return int(getattr(args, "num_speculative_tokens", None) or 0)


def _draft_words(args: argparse.Namespace) -> str:
    config = getattr(args, "speculative_config", None)
    return f"SpeculativeConfig({config})" if config else "None"
