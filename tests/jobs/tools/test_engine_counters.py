"""Engine counters over a time window of a benchmark."""

import pytest

from jobs.host.run.scraper import samples
from jobs.metrics import METRICS
from jobs.tools.lib.engine_counters import WarmUp, during, hits_since_start, served
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vllm import serve as vllm
from tests.jobs.lib.target import DATA

VLLM = (DATA / "vllm-0.32" / "vllm_metrics.txt").read_text()
LLAMA = (DATA / "host" / "llama_cpp_metrics.txt").read_text()
HITS, QUERIES = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
TOKENS = "vllm:generation_tokens_total"
QUEUED_S, QUEUED = (f"vllm:request_queue_time_seconds_{part}" for part in ("sum", "count"))
TTFT_SUM, TTFT_COUNT = (f"vllm:time_to_first_token_seconds_{part}" for part in ("sum", "count"))


def counted(*rows):
    """Return samples one second apart, from 100."""
    return [(100.0 + at, values) for at, values in enumerate(rows)]


def test_the_counters_of_a_real_vllm_become_metrics():
    after = samples(VLLM, vllm.METRICS)
    rows = [(0.0, dict.fromkeys(after, 0.0)), (100.0, after)]

    metrics = during(rows, 0.0, 100.0) | served(rows, 0.0, 100.0)

    assert metrics == {
        "engine_kv_cache_peak": 0.0,
        "engine_prefix_hits": 0.0,
        "engine_preemptions": 0.0,
        "engine_queue_mean_ms": pytest.approx(1000 * after[QUEUED_S] / after[QUEUED]),
        "engine_output_tokens": after[TOKENS],
        "engine_requests": after[TTFT_COUNT],
        "engine_ttft_mean_ms": pytest.approx(1000 * after[TTFT_SUM] / after[TTFT_COUNT]),
    }
    assert set(metrics) <= set(METRICS)


def test_the_counters_of_a_real_llama_cpp_become_metrics():
    after = samples(LLAMA, llama_cpp.METRICS)
    rows = [(0.0, dict.fromkeys(after, 0.0)), (100.0, after)]

    metrics = during(rows, 0.0, 100.0) | served(rows, 0.0, 100.0)

    cached, fresh = (after[f"llamacpp:prompt_tokens{part}_total"] for part in ("_cached", ""))
    assert metrics == {
        "engine_prefix_hits": pytest.approx(cached / (cached + fresh)),
        "engine_output_tokens": pytest.approx(after["llamacpp:tokens_predicted_total"], abs=1),
    }
    assert 0 < metrics["engine_prefix_hits"] < 1


def test_each_stretch_has_its_own_hits():
    rows = counted(
        {HITS: 0.0, QUERIES: 0.0},
        {HITS: 0.0, QUERIES: 100.0},  # cold
        {HITS: 90.0, QUERIES: 200.0},  # the same prompts once more
    )

    assert during(rows, 100.0, 101.0)["engine_prefix_hits"] == 0.0
    assert during(rows, 101.0, 102.0)["engine_prefix_hits"] == 0.9


def test_a_window_starts_with_the_last_scrape_before_it():
    rows = counted({QUERIES: 0.0, HITS: 0.0}, {QUERIES: 10.0, HITS: 5.0})

    assert during(rows, 100.7, 101.2)["engine_prefix_hits"] == 0.5
    assert during(rows, 99.0, 101.2)["engine_prefix_hits"] == 0.5
    # A short window ends with the next scrape.
    assert during(rows, 100.2, 100.8)["engine_prefix_hits"] == 0.5


def test_the_peak_of_the_kv_cache_is_that_of_the_stretch_alone():
    rows = counted(*({"vllm:gpu_cache_usage_perc": share} for share in (0.9, 0.2, 0.4, 0.95)))

    assert during(rows, 101.0, 102.5)["engine_kv_cache_peak"] == 0.4


def test_preemptions_and_draft_tokens_are_those_of_the_stretch():
    name = "vllm:spec_decode_num_{}_tokens_total".format
    first = {"vllm:num_preemptions_total": 3.0, name("accepted"): 10.0, name("draft"): 20.0}
    then = {"vllm:num_preemptions_total": 5.0, name("accepted"): 17.0, name("draft"): 30.0}

    metrics = during(counted(first, then), 100.0, 101.0)

    assert metrics == {"engine_preemptions": 2.0, "acceptance_rate": 0.7}


def test_an_engine_that_was_started_again_says_nothing():
    rows = counted({QUERIES: 900.0, HITS: 0.0}, {QUERIES: 10.0, HITS: 5.0})

    assert during(rows, 100.0, 101.0) == {}


@pytest.mark.parametrize(("rate", "since_start"), [(-1.0, None), (0.0, 0.0), (0.25, 0.25)])
def test_vllm_0_7_2_has_only_a_share_since_its_start(rate, since_start):
    rows = counted(*[{"vllm:gpu_prefix_cache_hit_rate": rate}] * 2)

    assert "engine_prefix_hits" not in during(rows, 100.0, 101.0)
    assert hits_since_start(rows, 101.0) == since_start


def test_a_share_since_the_start_is_the_last_one_before_the_end():
    rows = counted(*({"vllm:gpu_prefix_cache_hit_rate": share} for share in (0.8, 0.4, 0.2, 0.9)))

    assert hits_since_start(rows, 102.5) == 0.2


@pytest.mark.parametrize(("text", "names"), [(VLLM, vllm.METRICS), (LLAMA, llama_cpp.METRICS)])
def test_engines_with_hit_counters_have_no_share_since_start(text, names):
    values = samples(text, names)

    assert hits_since_start(counted(values), 100.0) is None
    gauge = {"vllm:gpu_prefix_cache_hit_rate": 0.5}
    assert hits_since_start(counted(values | gauge), 100.0) is None


@pytest.mark.parametrize("rows", [[], counted({QUERIES: 5.0, HITS: 0.0})])
def test_without_two_scrapes_there_is_no_figure(rows):
    assert during(rows, 100.0, 101.0) == {}


def test_several_engines_are_summed():
    two = "".join(f'{QUERIES}{{engine="{n}",model_name="m"}} {n}0.0\n' for n in (1, 2))

    assert samples(two, vllm.METRICS) == {QUERIES: 30.0}


def test_tokens_of_the_last_second_are_in_the_next_reading():
    rows = counted({TOKENS: 0.0}, {TOKENS: 90.0}, {TOKENS: 100.0}, {TOKENS: 130.0})

    assert served(rows, 100.0, 101.5)["engine_output_tokens"] == 100
    # The next requests begin before that reading.
    early = served(rows, 100.0, 101.5, until=101.9)
    assert early == {"engine_output_tokens": 90, "engine_gap_s": 0.5}


def test_a_restart_in_the_window_gives_no_tokens():
    assert served(counted({TOKENS: 900.0}, {TOKENS: 10.0}), 100.0, 101.0) == {}


def test_warm_ups_are_left_out_of_what_was_served():
    rows = [
        (100.0, {TOKENS: 50.0, TTFT_SUM: 1.0, TTFT_COUNT: 1.0}),
        # A warm-up waits for its first token.
        (101.0, {TOKENS: 250.0, TTFT_SUM: 9.0, TTFT_COUNT: 4.0}),
        (102.0, {TOKENS: 400.0, TTFT_SUM: 13.0, TTFT_COUNT: 6.0}),
        (103.0, {TOKENS: 1074.0, TTFT_SUM: 14.0, TTFT_COUNT: 17.0}),
    ]

    metrics = served(rows, 100.0, 103.0, warm_up=WarmUp(4, 256.0))

    assert metrics == {
        "engine_output_tokens": 768,
        "engine_requests": 12.0,
        "engine_ttft_mean_ms": pytest.approx(1000 * 1.0 / 11),  # after all had their first token
    }
    assert served(rows[:2], 100.0, 101.0, warm_up=WarmUp(4, 256.0)) == {}  # only warm-ups came
