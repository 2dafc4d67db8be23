"""``vllm serve``: loads, then serves until it is stopped."""

import argparse
import asyncio
import os
import random
import signal
import socket

from simulator.lib import http, world
from simulator.lib.vllm import engine as engines
from simulator.lib.vllm import startup
from simulator.lib.vllm.api import ROUTES, Api
from simulator.lib.vllm.capacity import StartError
from simulator.lib.vllm.logs import Log
from simulator.lib.vllm.metrics import Metrics

REPORT_S = 5.0  # of the made-up world; never more often than once of our seconds


def serve(args: argparse.Namespace, version: str) -> int:
    """Run the server; its exit code."""
    log = Log(version)
    model = args.model_tag or args.model
    _say_args(args, log)
    if world.fault("iommu_on"):
        world.out("Error! IOMMU is enable, please close IOMMU first")
        world.sleep(10)
        return 1
    try:
        listener = _listen(args.host or "0.0.0.0", args.port)
    except OSError as error:
        log.traceback("OSError", f"[Errno {error.errno}] {error.strerror}")
        return 1
    try:
        loaded = startup.load(args, model, log)
    except StartError as error:
        return startup.failed(error, log)
    names = args.served_model_name or [model]
    engine = _engine(args, loaded, names[0], version)
    api = Api(engine, version, names, model, loaded.max_len, _keys(args), _parser(args, version))
    host = args.host or "0.0.0.0"
    return asyncio.run(_Run(api, log, f"http://{host}:{args.port}").run(listener))


def _say_args(args: argparse.Namespace, log: Log) -> None:
    log.line(
        f"vLLM API server version {log.version}",
        "api_server.py:840" if log.is_old else "api_server.py:1030",
    )
    if log.is_old:
        hidden = argparse.Namespace(**{**vars(args), "dispatch_function": "<function serve>"})
        log.line(f"args: {hidden}", "api_server.py:841")
        return
    default = vars(args.defaults)
    shown = {
        k: v
        for k, v in vars(args).items()
        if k not in ("defaults", "subparser") and default.get(k) != v
    }
    log.line(f"non-default args: {shown}", "utils.py:233")


def _listen(host: str, number: int) -> socket.socket:
    """The socket, taken before anything is loaded, as vLLM does.

    Raises:
        OSError: the port is taken, or the address is not of this machine.
    """
    real = world.port(number)
    if world.fault("port_busy"):
        raise OSError(98, "Address already in use")
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # A port that the container does not publish is unreachable outside it.
    listener.bind((host, real) if real is not None else ("127.0.0.1", 0))
    return listener


def _engine(
    args: argparse.Namespace, loaded: startup.Engine, name: str, version: str
) -> engines.Engine:
    fit = loaded.fit
    is_old = version.startswith("0.7")
    caches = args.enable_prefix_caching
    config = {
        "block_size": "16",
        "cache_dtype": args.kv_cache_dtype,
        "gpu_memory_utilization": str(args.gpu_memory_utilization),
        "num_gpu_blocks": str(fit.kv_tokens // 16),
        "note": world.MARK,
    }
    ways = args.tensor_parallel_size * args.pipeline_parallel_size
    large = loaded.weights.total_bytes > 2e11
    pace = engines.Pace(
        parallel=min(args.max_num_seqs or engines.PARALLEL, engines.PARALLEL),
        tpot_s=engines.TPOT_S if large else 0.012 + loaded.weights.total_bytes / ways / 1.5e12,
        prefill=engines.PREFILL_TOKENS_PER_S,
        kv_tokens=fit.kv_tokens,
        drafts=loaded.drafts,
        caches=bool(caches) if is_old else caches is not False,
    )
    metrics = Metrics(version, name, config, caches=pace.caches)
    return engines.Engine(pace, metrics, opens_thought=loaded.weights.opens_thought)


def _keys(args: argparse.Namespace) -> list[str]:
    given = args.api_key
    keys = [given] if isinstance(given, str) else list(given or [])
    return keys or [key for key in (os.environ.get("VLLM_API_KEY"),) if key]


def _parser(args: argparse.Namespace, version: str) -> str:
    on = args.enable_reasoning if version.startswith("0.7") else True
    return (args.reasoning_parser or "") if on else ""


class _Run:
    """The server from the moment it listens."""

    def __init__(self, api: Api, log: Log, address: str) -> None:
        self._api, self._log, self._address = api, log, address
        self._stop = asyncio.Event()
        self._code = 0

    async def run(self, listener: socket.socket) -> int:
        """Serve until SIGTERM or SIGINT, or until the engine dies; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        self._say_ready()
        server = http.Server(self._api.answer, self._access)
        listening = await asyncio.start_server(server.connected, sock=listener, backlog=2048)
        if self._log.is_old:
            self._log.plain(f"INFO:     Uvicorn running on {self._address} (Press CTRL+C to quit)")
        tasks = [asyncio.ensure_future(call()) for call in (self._report, self._watch)]
        await self._stop.wait()
        for task in tasks:
            task.cancel()
        listening.close()
        if self._code == 0:
            self._say_stop()
        return self._code

    def _say_ready(self) -> None:
        log = self._log
        if not log.is_old:
            log.line("Supported tasks: ['generate']", "api_server.py:495")
            log.line(f"Starting vLLM API server 0 on {self._address}", "api_server.py:500")
        where = (
            ("launcher.py:21", "launcher.py:29")
            if log.is_old
            else ("launcher.py:38", "launcher.py:47")
        )
        log.line("Available routes are:", where[0])
        for path, methods in ROUTES.items():
            log.line(f"Route: {path}, Methods: {methods}", where[1])
        log.plain(f"INFO:     Started server process [{log.pid}]")
        log.plain("INFO:     Waiting for application startup.")
        log.plain("INFO:     Application startup complete.")

    def _say_stop(self) -> None:
        log = self._log
        log.line(
            "Shutting down FastAPI HTTP server.",
            "launcher.py:64" if log.is_old else "launcher.py:122",
        )
        log.plain("INFO:     Shutting down")
        log.plain("INFO:     Waiting for application shutdown.")
        log.plain("INFO:     Application shutdown complete.")

    def _access(self, asked: http.Asked, answer: http.Answer) -> None:
        self._log.access(asked.peer, asked.method, asked.target, answer.status, answer.reason)

    async def _report(self) -> None:
        """The line about throughput, while there is any."""
        metrics = self._api.engine.metrics
        pause = max(REPORT_S / world.speed(), 1.0)
        before = (0, 0)
        idle = 2
        while True:
            await asyncio.sleep(pause)
            now = (metrics.prompt_tokens, metrics.generation_tokens)
            rates = [(b - a) / pause for a, b in zip(before, now, strict=True)]
            before = now
            idle = 0 if any(rates) or metrics.running else idle + 1
            if idle < 2:
                self._line(rates)

    def _line(self, rates: list[float]) -> None:
        log, metrics = self._log, self._api.engine.metrics
        head = (
            f"Avg prompt throughput: {rates[0]:.1f} tokens/s, "
            f"Avg generation throughput: {rates[1]:.1f} tokens/s, Running: {metrics.running} reqs, "
        )
        used = f"GPU KV cache usage: {100 * metrics.kv_share:.1f}%"
        if log.is_old:
            log.line(
                f"{head}Swapped: 0 reqs, Pending: {metrics.waiting} reqs, {used}, "
                "CPU KV cache usage: 0.0%.",
                "metrics.py:455",
            )
            return
        log.line(
            f"Engine 000: {head}Waiting: {metrics.waiting} reqs, {used}, "
            "Prefix cache hit rate: 0.0%",
            "loggers.py:259",
        )
        if metrics.drafts:
            self._say_drafts(rates[1])

    def _say_drafts(self, rate: float) -> None:
        metrics = self._api.engine.metrics
        accepted, drafted = metrics.accepted_tokens, metrics.draft_tokens
        share = accepted / drafted
        self._log.line(
            f"SpecDecoding metrics: Mean acceptance length: {1 + accepted / metrics.drafts:.2f}, "
            f"Accepted throughput: {rate * share / (1 + share):.2f} tokens/s, "
            f"Drafted throughput: {rate / (1 + share):.2f} tokens/s, "
            f"Accepted: {accepted} tokens, Drafted: {drafted} tokens, "
            f"Per-position acceptance rate: {share:.3f}, "
            f"Avg Draft acceptance rate: {share:.1%}",
            "metrics.py:100",
        )

    async def _watch(self) -> None:
        """Die midway when that is to go wrong."""
        engine = self._api.engine
        while not (engine.served >= engines.DIES_AFTER and world.fault("server_dies_midway")):
            await asyncio.sleep(0.1)
        engine.dead = True
        worker = self._log.worker_pid + 1
        if self._log.is_old:
            self._log.line(
                f"Worker VllmWorkerProcess pid {worker} died, exit code: -9",
                "multiproc_worker_utils.py:121",
                level="ERROR",
            )
        else:
            self._log.core(
                "Worker proc VllmWorker-1 died unexpectedly, shutting down executor.",
                "multiproc_executor.py:250",
                "ERROR",
            )
            self._log.core("EngineCore encountered a fatal error.", "core.py:890", "ERROR")
        await asyncio.sleep(random.uniform(0.2, 0.3))
        self._code = 1
        self._stop.set()
