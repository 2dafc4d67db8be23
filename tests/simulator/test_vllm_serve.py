"""``vllm serve`` of both generations: a real server, its phases in the log, its counters."""

import concurrent.futures
import json

import pytest

from tests.simulator.conftest import MESSAGES
from tests.simulator.host import events, get, post
from tests.simulator.vllm import NEW, OLD, QWEN, metric, of_port, serving
from tests.stack import free_port
from tests.waiting import until


@pytest.fixture(scope="module")
def old(shared):
    argv = ("--enable-reasoning", "--reasoning-parser", "deepseek_r1")
    with serving(shared, OLD, *argv) as server:
        yield server


@pytest.fixture(scope="module")
def new(shared):
    argv = ("--reasoning-parser", "deepseek_r1", "--tensor-parallel-size", "2")
    with serving(shared, NEW, *argv) as server:
        yield server


@pytest.fixture
def of_version(old, new):
    return {OLD: old[0], NEW: new[0]}


def test_the_guides_version_starts_in_its_phases(old):
    url, server = old
    text = server.text
    answered = json.loads(get(f"{url}/version")[1])

    assert answered == {"version": "0.7.2", "note": "simulated"}
    phases = [
        "vLLM API server version 0.7.2",
        "args: Namespace(subparser='serve', model_tag=",
        "Started engine process with PID ",
        "Initializing a V0 LLM engine (v0.7.2) with config: model=",
        "Starting to load model ",
        "Loading safetensors checkpoint shards: 100% Completed | 1/1 [",
        "# CPU blocks: ",
        "Maximum concurrency for 8192 tokens per request: ",
        "init engine (profile, create kv cache, warmup model) took ",
        "Available routes are:",
        "INFO:     Started server process [",
        "INFO:     Application startup complete.",
        "INFO:     Uvicorn running on ",
    ]
    places = [text.find(phase) for phase in phases]
    assert (min(places) >= 0, places) == (True, sorted(places))


def test_the_current_version_names_processes_without_uvicorn(new):
    text = new[1].text

    for part in (
        "(APIServer pid=",
        "(EngineCore_DP0 pid=",
        "(Worker_TP0 pid=",
        "] GPU KV cache size: ",
        "] Maximum concurrency for 8,192 tokens per request: ",
        "non-default args: {'model_tag': ",
        ") INFO:     Application startup complete.",
    ):
        assert part in text
    assert "Uvicorn running on" not in text


def test_163_shards_are_loaded_one_by_one(host):
    argv = ("--tensor-parallel-size", "32")
    with serving(host, OLD, *argv, model="DeepSeek-R1") as (_, server):
        text = server.text

    assert text.count("Loading safetensors checkpoint shards: ") == 164
    assert "100% Completed | 163/163 [" in text
    assert text.count("Worker ready; awaiting tasks") == 31


def test_the_thought_goes_where_the_version_puts_it(of_version, current):
    """The template opens the thought: 0.7.2 then leaves all of it in the content."""
    first, second, plain = _message(of_version[OLD]), _message(of_version[NEW]), _message(current)

    assert first["reasoning_content"] is None
    assert "</think>" in first["content"]
    assert "17 + 25" in second["reasoning"]
    assert "42" in second["content"]
    assert "</think>" in plain["content"]
    assert "reasoning" not in plain


def test_the_guides_version_splits_a_text_with_both_tags_too(host):
    argv = ("--enable-reasoning", "--reasoning-parser", "deepseek_r1")
    argv += ("--tensor-parallel-size", "32")
    with serving(host, OLD, *argv, model="DeepSeek-R1-0528") as (url, _):
        message = _message(url)

    assert "17 + 25" in message["reasoning_content"]
    assert "<think>" not in message["content"]


def test_a_stream_is_the_whole_answer_and_ends_with_the_usage(new):
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    body["stream_options"] = {"include_usage": True}
    whole = _message(new[0])
    text = post(f"{new[0]}/v1/chat/completions", body)[1]

    chunks = events(text)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert text.endswith("data: [DONE]\n\n")
    assert "".join(delta.get("content") or "" for delta in deltas) == whole["content"]
    assert "".join(delta.get("reasoning") or "" for delta in deltas) == whole["reasoning"]
    assert deltas[0] == {"role": "assistant", "content": ""}
    # Beside the role's chunk and the usage's, each token has one but the closing tag.
    assert chunks[-1]["usage"]["completion_tokens"] == len(chunks) - 2 + 1


def test_a_key_is_asked_for_where_it_matters_and_sigterm_ends_it_with_zero(host):
    with serving(host, OLD, "--api-key", "token-abc123") as (url, server):
        answers = [
            get(f"{url}/v1/models"),
            get(f"{url}/v1/models", "wrong"),
            get(f"{url}/v1/models", "token-abc123"),
            get(f"{url}/metrics"),
        ]
        server.popen.terminate()
        assert server.wait() == 0
        assert "Shutting down FastAPI HTTP server." in server.text

    assert answers[0] == answers[1] == (401, '{"error":"Unauthorized"}')
    assert [status for status, _ in answers[2:]] == [200, 200]


@pytest.mark.parametrize(
    ("version", "path"), [(OLD, ["object"]), (NEW, ["error", "message"])], ids=[OLD, NEW]
)
def test_errors_have_the_shape_of_their_version(of_version, version, path):
    long = [{"role": "user", "content": "word " * 9000}]
    url = f"{of_version[version]}/v1/chat/completions"
    unknown = post(url, {"model": "x", "messages": MESSAGES})
    missing = post(url, {"model": "m", "prompt": "hello"})
    too_long = post(url, {"model": "m", "messages": long})

    assert [status for status, _ in (unknown, missing, too_long)] == [404, 400, 400]
    assert "The model `x` does not exist." in unknown[1]
    assert "Field required" in missing[1]
    message = "This model's maximum context length is 8192 tokens. However, you requested "
    assert message in too_long[1]
    error = json.loads(unknown[1])
    for key in path:
        error = error[key]
    assert error == ("error" if version == OLD else "The model `x` does not exist.")


@pytest.mark.parametrize(
    ("version", "kv", "itl"),
    [
        (OLD, "vllm:gpu_cache_usage_perc", "vllm:time_per_output_token_seconds_count"),
        (NEW, "vllm:kv_cache_usage_perc", "vllm:inter_token_latency_seconds_count"),
    ],
    ids=[OLD, NEW],
)
def test_the_counters_count_what_was_asked(of_version, version, kv, itl):
    url = of_version[version]
    before = get(f"{url}/metrics")[1]
    body = {"model": "m", "prompt": "What is 2 + 3?", "max_tokens": 20, "ignore_eos": True}
    usage = [json.loads(post(f"{url}/v1/completions", body)[1])["usage"] for _ in range(3)]
    text = get(f"{url}/metrics")[1]

    counted = {
        "vllm:generation_tokens_total": 60,
        "vllm:prompt_tokens_total": sum(u["prompt_tokens"] for u in usage),
        "vllm:request_success_total": 3,
        "vllm:time_to_first_token_seconds_count": 3,
        itl: 3 * 19,
    }
    assert {name: metric(text, name) - metric(before, name) for name in counted} == counted
    assert f"{kv}{{" in text


def test_four_run_and_the_rest_wait(host):
    body = {"model": "m", "prompt": "Hello", "max_tokens": 3000, "ignore_eos": True}
    with (
        serving(host, NEW, STANDIN_SPEED="60") as (url, _),
        concurrent.futures.ThreadPoolExecutor(6) as pool,
    ):
        asked = [pool.submit(post, f"{url}/v1/completions", body) for _ in range(6)]

        def both() -> list[float]:
            text = get(f"{url}/metrics")[1]
            return [metric(text, f"vllm:num_requests_{state}") for state in ("running", "waiting")]

        until(lambda: both() == [4.0, 2.0])
        answers = [one.result() for one in asked]

    assert {status for status, _ in answers} == {200}


def test_drafts_are_counted_when_the_model_guesses_ahead(host):
    config = '{"method": "deepseek_mtp", "num_speculative_tokens": 1}'
    argv = ("--tensor-parallel-size", "32", "--speculative-config", config)
    with serving(host, NEW, *argv, model="DeepSeek-R1") as (url, _):
        body = {"model": "m", "prompt": "Hello", "max_tokens": 200, "ignore_eos": True}
        post(f"{url}/v1/completions", body)
        text = get(f"{url}/metrics")[1]

    drafts = metric(text, "vllm:spec_decode_num_drafts_total")
    assert 100 <= drafts < 200
    assert metric(text, "vllm:spec_decode_num_accepted_tokens_total") >= 200 - drafts - 1


def test_a_taken_port_ends_the_start_before_anything_is_loaded(host, old):
    argv = ("vllm", "serve", str(host.weights(QWEN)), *of_port(old[0]))
    done = host.run(*argv, env={"STANDIN_VLLM_VERSION": OLD})

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "OSError: [Errno 98] Address already in use"
    assert "Loading safetensors" not in done.stderr


def test_too_little_die_memory_is_reported_as_by_each_version(host):
    folder = str(host.weights("DeepSeek-R1"))
    argv = ("vllm", "serve", folder, "--port", str(free_port()), "--tensor-parallel-size")

    eight = host.run(*argv, "8", env={"STANDIN_VLLM_VERSION": OLD})
    long = host.run(*argv, "32", "--max-model-len", "131072", env={"STANDIN_VLLM_VERSION": NEW})

    assert "ValueError: No available memory for the cache blocks." in eight.stderr
    assert "To serve at least one request with the models's max seq len (131072), (" in long.stdout
    assert (eight.returncode, long.returncode) == (1, 1)


def _message(url: str) -> dict[str, str]:
    status, text = post(f"{url}/v1/chat/completions", {"model": "m", "messages": MESSAGES})
    assert status == 200, text
    return dict(json.loads(text)["choices"][0]["message"])


def metric_after(url: str, words: str, name: str) -> float | None:
    """A metric after a request with these words, many times; None where there is none."""
    messages = [{"role": "user", "content": words * 40}]
    post(f"{url}/v1/chat/completions", {"model": "m", "messages": messages, "max_tokens": 2})
    text = get(f"{url}/metrics")[1]
    return metric(text, name) if name in text else None


def test_only_a_repeated_prompt_is_in_the_prefix_cache(host, of_version):
    def hits(url: str) -> list[float | None]:
        prompts = ("one two three ", "three two one ", "one two three ")
        return [metric_after(url, words, "vllm:prefix_cache_hits_total") for words in prompts]

    first, other, again = hits(of_version[NEW])
    with serving(host, NEW, "--no-enable-prefix-caching") as (url, _server):
        assert hits(url) == [0.0, 0.0, 0.0]

    assert first == other < again - 100.0
    assert hits(of_version[OLD]) == [None, None, None]


def test_the_hit_share_of_0_7_2_is_negative_without_a_cache(host, of_version):
    def shares(url: str) -> list[float | None]:
        prompts = ("one two three ", "one two three ", "three two one ")
        return [metric_after(url, words, "vllm:gpu_prefix_cache_hit_rate") for words in prompts]

    with serving(host, OLD, "--enable-prefix-caching") as (url, _server):
        cold, warm, cold_again = shares(url)

    assert cold == 0.0
    assert 0 < cold_again < warm < 1  # a cold prompt bears what an earlier one found
    assert shares(of_version[OLD]) == [-1, -1, -1]
