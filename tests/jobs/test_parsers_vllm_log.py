"""The log of ``vllm serve`` and its counters, of both generations."""

from __future__ import annotations

import pytest

from jobs.host.watches import samples
from jobs.metrics import METRICS
from jobs.parsers import vllm_metrics
from jobs.parsers.lines import Line, Lines, lines_of
from jobs.parsers.vllm_log import Startup, StartupLog, seconds_of, serving, serving_line
from tests.jobs.target import DATA

NEW = DATA / "vllm-0.32"
SERVE = (NEW / "vllm_serve.log").read_bytes()

# How 0.7.2 starts: its words exactly, numbers invented.
OLD = b"""\
INFO 04-21 10:01:02 api_server.py:840] vLLM API server version 0.7.2
INFO 04-21 10:01:02 api_server.py:841] args: Namespace(subparser='serve', model_tag='/test/w', ...)
INFO 04-21 10:01:09 api_server.py:206] Started engine process with PID 4321
INFO 04-21 10:01:12 llm_engine.py:234] Initializing a V0 LLM engine (v0.7.2) with config: model='x'
INFO 04-21 10:01:20 multiproc_worker_utils.py:229] Worker ready; awaiting tasks
INFO 04-21 10:01:40 model_runner.py:1110] Starting to load model /test/weights/DeepSeek-R1...
\rLoading safetensors checkpoint shards:   0% Completed | 0/163 [00:00<?, ?it/s]
\rLoading safetensors checkpoint shards:  25% Completed | 41/163 [05:25<16:15,  7.98s/it]
\rLoading safetensors checkpoint shards: 100% Completed | 163/163 [21:40<00:00,  7.98s/it]
INFO 04-21 10:23:20 model_runner.py:1115] Loading model weights took 20.1234 GB
INFO 04-21 10:23:30 executor_base.py:110] # CPU blocks: 2730, # CPU blocks: 0
INFO 04-21 10:23:30 executor_base.py:115] Maximum concurrency for 32768 tokens per request: 1.33x
INFO 04-21 10:23:35 llm_engine.py:431] init engine (profile, create kv cache, warmup model) took 5.12 seconds
INFO 04-21 10:23:36 launcher.py:21] Available routes are:
INFO 04-21 10:23:36 launcher.py:29] Route: /health, Methods: GET
INFO:     Started server process [4300]
INFO:     Waiting for application startup.
INFO:     Application startup complete.
INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)
"""  # noqa: E501 -- as printed

# What 0.17 prints otherwise.
V1 = b"""\
(APIServer pid=12) INFO 05-06 10:00:05 [api_server.py:1] vLLM API server version 0.17.0
(EngineCore_DP0 pid=13) INFO 05-06 10:00:06 [core.py:9] Initializing a V1 LLM engine (v0.17.0) with config: model='/w', x
(Worker_TP0 pid=14) Loading safetensors checkpoint shards:   1% Completed | 1/163 [00:02<06:12,  2.30s/it]
(Worker_TP0 pid=14) INFO 05-06 10:01:05 [loader.py:2] Loading weights took 41.20 seconds
(Worker_TP0 pid=14) INFO 05-06 10:01:05 [runner.py:2] Model loading took 20.1 GiB memory and 45.123456 seconds
(EngineCore_DP0 pid=13) INFO 05-06 10:01:06 [kv.py:3] Available KV cache memory: 5.5 GiB
(EngineCore_DP0 pid=13) INFO 05-06 10:01:06 [kv.py:3] GPU KV cache size: 123,456 tokens
(EngineCore_DP0 pid=13) INFO 05-06 10:01:06 [kv.py:3] Maximum concurrency for 65,536 tokens per request: 1.88x
(EngineCore_DP0 pid=13) INFO 05-06 10:02:01 [core.py:7] init engine (profile, create kv cache, warmup model) took 55.10 seconds
(APIServer pid=12) INFO 05-06 10:02:02 [api_server.py:7] Starting vLLM API server 0 on http://0.0.0.0:8000
(APIServer pid=12) INFO:     Started server process [12]
"""  # noqa: E501 -- as printed


def phases(log, piece=7):
    """The phases that a start goes through when its log comes in small pieces."""
    start, seen = StartupLog(), []
    for at in range(0, len(log), piece):
        phase = start.feed(log[at : at + piece]).phase
        if phase not in seen[-1:]:
            seen.append(phase)
    return seen, start.end()


def test_the_start_of_the_guide_s_version_is_followed():
    seen, state = phases(OLD)

    assert seen == [
        *("", "boot", "engine", "load", "loaded", "kv_cache", "warm_up", "listen", "ready"),
    ]
    assert state == Startup(
        phase="ready",
        version="0.7.2",
        engine="V0",
        shards_done=163,
        shards_total=163,
        left_s=0.0,
        weights_gib=20.1234,
        kv_blocks=2730,
        kv_concurrency=1.33,
        engine_s=5.12,
    )
    assert state.is_ready


def test_the_start_of_a_real_new_one_is_followed_to_its_end():
    seen, state = phases(SERVE, piece=101)

    assert seen[1:-1] == [
        *("boot", "engine", "load", "loaded", "kv_cache", "warm_up", "listen", "ready"),
    ]
    assert state.phase == "stopped"
    assert (state.version, state.engine, state.weights_s) == ("0.32.0", "V1", 0.68)
    assert (state.kv_tokens, state.kv_concurrency, state.engine_s) == (46592, 22.75, 3.14)


def test_the_words_of_0_17_are_known():
    start = StartupLog()

    state = start.feed(V1)

    assert state == Startup(
        phase="listen",
        version="0.17.0",
        engine="V1",
        shards_done=1,
        shards_total=163,
        left_s=372.0,
        weights_s=41.20,
        weights_gib=20.1,
        kv_tokens=123456,
        kv_gib=5.5,
        kv_concurrency=1.88,
        engine_s=55.10,
    )


def test_shards_say_how_many_and_how_long_still():
    start = StartupLog()

    assert start.feed(OLD[: OLD.index(b"\rLoading")]).shards_total is None
    told = [start.feed(line + b"\n") for line in OLD.split(b"\n") if b"shards" in line]
    assert [(state.shards_done, state.shards_total, state.left_s) for state in told] == [
        *((0, 163, None), (41, 163, 975.0), (163, 163, 0.0)),
    ]
    other = b"Loading pt checkpoint shards:  50% Completed | 1/2 [00:01<00:01, ?it/s]\n"
    assert StartupLog().feed(other).shards_total == 2


def test_a_slow_worker_does_not_take_a_start_back():
    start = StartupLog()
    start.feed(OLD[: OLD.index(b"INFO 04-21 10:23:35")])

    assert start.feed(b"INFO 04-21 10:23:31 x.py:1] Worker ready; awaiting tasks\n").phase == (
        "kv_cache"
    )


def test_a_start_that_breaks_names_its_line():
    log = (NEW / "vllm_serve_no_think_tokens_crash.log").read_bytes()
    start = StartupLog()
    start.feed(log)

    fatal = start.end().fatal

    assert start.state.phase == "failed"
    assert fatal.text.startswith("RuntimeError: DeepSeekR1ReasoningParser reasoning parser could")
    assert log[fatal.offset :].startswith(b"RuntimeError: DeepSeekR1")
    assert log[: fatal.offset].count(b"\n") + 1 == fatal.number


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError: Engine process failed to start. See stack trace for the root cause.",
        "ERROR 04-21 10:02:02 mp.py:1] Worker VllmWorkerProcess pid 4400 died, exit code: -9",
        "ERROR 04-21 10:02:02 engine.py:389] ValueError: No available memory for the cache blocks.",
        "(EngineCore pid=7) ERROR 05-06 10:30:05 [core.py:1] EngineCore failed to start.",
        "RuntimeError: Engine core initialization failed. See root cause above.",
        "(APIServer pid=7) ERROR 05-06 10:30:05 [a.py:1] EngineCore encountered a fatal error.",
        "ERROR 05-06 10:30:05 [m.py:1] Worker proc VllmWorker-3 died unexpectedly, shutting down",
        "vllm: error: unrecognized arguments: --enable-reasoning",
        "Error! IOMMU is enable, please close IOMMU first",
        "The model's max seq len (32768) is larger than the maximum number of tokens that can be "
        "stored in KV cache (1024). Try increasing",
        "To serve at least one request with the models's max seq len (65536), (4.29 GiB KV cache "
        "is needed, which is larger than the available KV cache memory (2.00 GiB).",
    ],
)
def test_a_fatal_line_of_any_generation_is_known(line):
    start = StartupLog()

    state = start.feed(line.encode() + b"\nafter it\n")

    assert (state.phase, state.fatal.text, state.fatal.number) == ("failed", line, 1)


def test_the_first_fatal_line_stands_and_a_stop_after_it_is_a_failure():
    start = StartupLog()
    start.feed(b"ValueError: No available memory for the cache blocks.\n")

    state = start.feed(
        b"RuntimeError: Engine process failed to start.\nShutting down FastAPI HTTP server.\n"
    )

    assert (state.phase, state.fatal.number) == ("failed", 1)


def test_an_exception_of_a_request_is_not_that_of_the_server():
    start = StartupLog()
    start.feed(OLD)

    assert start.feed(b"ValueError: This model's maximum context length is 2048\n").is_ready
    assert start.feed(b"ERROR EngineCore encountered a fatal error.\n").phase == "failed"


def test_a_start_that_goes_on_has_overcome_an_exception():
    start = StartupLog()
    start.feed(b"vLLM API server version 0.7.2\nImportError: no triton\n")
    assert start.state.phase == "failed"

    state = start.feed(OLD[OLD.index(b"INFO 04-21 10:01:09") :])

    assert (state.phase, state.fatal) == ("ready", None)


def test_the_next_run_in_a_server_s_log_begins_anew():
    start = StartupLog()
    start.feed(SERVE)
    assert start.end().phase == "stopped"

    state = start.feed(b"\n" + OLD[: OLD.index(b"INFO 04-21 10:01:09")])

    assert state == Startup(phase="boot", version="0.7.2")


def test_the_log_of_another_program_tells_nothing():
    start = StartupLog()
    start.feed((DATA / "pip" / "install.log").read_bytes())

    assert start.end() == Startup()


@pytest.mark.parametrize(
    ("text", "seconds"), [("05:58", 358.0), ("1:02:03", 3723.0), ("?", None), ("", None)]
)
def test_an_estimate_is_read_in_seconds(text, seconds):
    assert seconds_of(text) == seconds


def said(text):
    return serving_line(Line(1, 0, text))


def test_what_a_real_engine_says_of_itself_is_read():
    found = list(serving(lines_of(SERVE)))

    assert len(found) >= 8
    assert found[1].metrics == pytest.approx(
        {
            "engine_prompt_tokens_per_s": 4.3,
            "engine_output_tokens_per_s": 21.7,
            "engine_running": 1.0,
            "engine_waiting": 0.0,
            "engine_kv_cache": 0.003,
            "engine_prefix_hits": 0.0,
        }
    )
    assert (found[1].engine, found[1].stamp) == ("000", "11-24 14:07:59")
    assert SERVE.split(b"\n")[found[1].number - 1].count(b"21.7 tokens/s") == 1
    assert {name for item in found for name in item.metrics} <= set(METRICS)


def test_the_old_engine_says_pending_and_two_caches():
    found = said(
        "INFO 04-21 10:30:05 metrics.py:455] Avg prompt throughput: 204.8 tokens/s, Avg "
        "generation throughput: 31.2 tokens/s, Running: 4 reqs, Swapped: 0 reqs, Pending: 2 reqs, "
        "GPU KV cache usage: 12.5%, CPU KV cache usage: 3.0%."
    )

    assert found.metrics == {
        "engine_prompt_tokens_per_s": 204.8,
        "engine_output_tokens_per_s": 31.2,
        "engine_running": 4.0,
        "engine_waiting": 2.0,
        "engine_kv_cache": 0.125,
    }
    assert (found.stamp, found.engine) == ("04-21 10:30:05", "")


def test_what_only_some_engines_add_is_read_or_left():
    found = said(
        "(APIServer pid=12) INFO 05-06 10:30:05 [loggers.py:259] Engine 001: Avg prompt throughput:"
        " 204.8 tokens/s, Avg generation throughput: 31.2 tokens/s, Running: 4 reqs, Waiting: 1 "
        "reqs, Deferred: 2 reqs, Preemptions: 3, VACC KV cache usage: 12.5%, KV fetch: 1 ms, "
        "Prefix cache hit rate: 40.0%"
    )

    assert found.engine == "001"
    assert found.metrics["engine_preemptions"] == 3.0
    assert found.metrics["engine_kv_cache"] == 0.125
    assert found.metrics["engine_prefix_hits"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("text", "metrics"),
    [
        (
            "INFO 05-06 10:30:05 [metrics.py:100] SpecDecoding metrics: Mean acceptance length: "
            "1.82, Accepted throughput: 14.10 tokens/s, Drafted throughput: 17.20 tokens/s, "
            "Accepted: 141 tokens, Drafted: 172 tokens, Per-position acceptance rate: 0.820, Avg "
            "Draft acceptance rate: 82.0%",
            {
                "acceptance_length_tokens": 1.82,
                "accepted_tokens": 141.0,
                "draft_tokens": 172.0,
                "acceptance_rate": 0.82,
            },
        ),
        (
            "INFO 04-21 10:30:05 metrics.py:477] Speculative metrics: Draft acceptance rate: 0.812,"
            " System efficiency: 0.700, Number of speculative tokens: 1, Number of accepted "
            "tokens: 10, Number of draft tokens: 12, Number of emitted tokens: 22.",
            {"acceptance_rate": 0.812, "accepted_tokens": 10.0, "draft_tokens": 12.0},
        ),
        (
            "INFO 04-21 10:30:05 metrics.py:471] Prefix cache hit rate: GPU: 12.34%, CPU: 0.00%",
            {"engine_prefix_hits": 0.1234},
        ),
    ],
)
def test_lines_that_stand_beside_it_are_read(text, metrics):
    assert said(text).metrics == pytest.approx(metrics)


@pytest.mark.parametrize(
    "text", ["", "INFO:     Started server process [1]", "Avg prompt throughput: none"]
)
def test_other_lines_say_nothing_of_speed(text):
    assert said(text) is None


def test_the_counters_of_a_real_server_become_our_metrics():
    after = samples((NEW / "vllm_metrics.txt").read_text(), vllm_metrics.WATCHED)
    before = dict.fromkeys(after, 0.0)

    assert vllm_metrics.state(after) == {
        "engine_running": 0.0,
        "engine_waiting": 0.0,
        "engine_kv_cache": 0.0,
    }
    found = vllm_metrics.between(before, after, 100.0)
    assert found["engine_ttft_mean_ms"] == pytest.approx(1000 * 20.599448442459106 / 41)
    assert found["engine_itl_mean_ms"] == pytest.approx(1000 * 101.53779898800167 / 2626)
    assert found["engine_output_tokens_per_s"] == after["vllm:generation_tokens_total"] / 100
    assert found["engine_prefix_hits"] == 0.0
    assert set(found) <= set(METRICS)


OLD_COUNTERS = """\
vllm:num_requests_running{model_name="r1"} 4.0
vllm:gpu_cache_usage_perc{model_name="r1"} 0.25
vllm:generation_tokens_total{model_name="r1"} 300.0
vllm:time_per_output_token_seconds_sum{model_name="r1"} 30.0
vllm:time_per_output_token_seconds_count{model_name="r1"} 300.0
"""


def test_the_old_names_become_the_same_metrics():
    found = samples(OLD_COUNTERS, vllm_metrics.WATCHED)

    assert vllm_metrics.state(found)["engine_kv_cache"] == 0.25
    before = dict.fromkeys(found, 0.0)
    assert vllm_metrics.between(before, found, 10.0) == {
        "engine_output_tokens_per_s": 30.0,
        "engine_itl_mean_ms": 100.0,
    }


def test_where_both_names_are_there_the_new_one_counts():
    both = {"vllm:kv_cache_usage_perc": 0.5, "vllm:gpu_cache_usage_perc": 0.9}

    assert vllm_metrics.state(both) == {"engine_kv_cache": 0.5}


def test_engines_are_summed():
    two = "".join(
        f'vllm:generation_tokens_total{{engine="{n}",model_name="m"}} {n}0.0\n' for n in (1, 2)
    )

    assert samples(two, vllm_metrics.WATCHED) == {"vllm:generation_tokens_total": 30.0}


@pytest.mark.parametrize(
    ("before", "after", "seconds"),
    [
        ({"vllm:generation_tokens_total": 9.0}, {"vllm:generation_tokens_total": 3.0}, 1.0),
        ({"vllm:generation_tokens_total": 1.0}, {"vllm:generation_tokens_total": 3.0}, 0.0),
        ({}, {"vllm:generation_tokens_total": 3.0}, 1.0),
    ],
)
def test_between_two_servers_or_no_time_there_is_no_rate(before, after, seconds):
    assert vllm_metrics.between(before, after, seconds) == {}


def test_lines_are_the_same_however_the_log_is_cut():
    log = b"one\x1b[32m two\x1b[0m\r 50%|x\r100%|y\n\nthree\n" + b"z" * 20 + b"\nlast"
    whole = list(lines_of(log))

    for size in (1, 2, 3, 11):
        lines = Lines()
        found = [
            line for at in range(0, len(log), size) for line in lines.feed(log[at : at + size])
        ]
        assert [*found, *lines.end()] == whole
    assert [(line.number, line.text) for line in whole] == [
        *((1, "one two"), (1, " 50%|x"), (1, "100%|y"), (3, "three"), (4, "z" * 20), (5, "last")),
    ]
    assert log[whole[3].offset :].startswith(b"three")


def test_a_line_without_an_end_does_not_fill_the_memory():
    lines, piece = Lines(), b"\r 50%|bar" * 4000
    found = []
    for _ in range(20):
        found += lines.feed(piece)
        assert len(lines._rest) < 2 * len(piece) + 64 * 1024
    found += lines.feed(b"\nnext\n")

    assert len(found) == 20 * 4000 + 1
    assert {line.number for line in found[:-1]} == {1}
    assert (found[-1].number, found[-1].offset) == (2, 20 * len(piece) + 1)
