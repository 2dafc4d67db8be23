"""Benchmark online: its commands, their place, and the result of their output."""

import asyncio
import json

import aiohttp
import pytest
from pytest import approx

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.kinds.lib.defaults import defaults_for
from jobs.metrics.measured import LOG
from jobs.plans import secrets
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.scripted_engine import MODEL, engine
from tests.jobs.lib.target import DATA
from tests.jobs.lib.vacc_target import CURRENT, EXACT, vacc_host

OLD, NEW = DATA / "vllm-0.7.2", DATA / "vllm-0.32" / "bench"
plans = plans_of("benchmark-online")
planned, run, step, ids = plans.planned, plans.run, plans.step, plans.ids
outcome_of = plans.outcome_of
TODAY = {"deployment": "9", **CURRENT}
SCRIPT = ("python3", "/workspace/vllm/benchmarks/benchmark_serving.py")


# -- the commands ---------------------------------------------------------------------------------


def test_it_runs_in_the_deployment_s_container():
    assert step("measure").argv == (
        *("docker", "exec", "vllm-8", *SCRIPT, "--host", "127.0.0.1", "--port", "8000"),
        *("--backend", "openai-chat", "--model", "/test/weights/DeepSeek-R1"),
        *("--served-model-name", "DeepSeek-R1", "--endpoint", "/v1/chat/completions"),
        *("--dataset-name", "sonnet", "--sonnet-input-len", "1024"),
        *("--sonnet-prefix-len", "32", "--sonnet-output-len", "1024"),
        *("--dataset-path", "/workspace/vllm/benchmarks/sonnet.txt"),
        *("--num-prompts", "100", "--max-concurrency", "4"),
        *("--result-dir", "/tmp/vacc-bench-17", "--result-filename", "result.json"),
        *("--save-result", "--seed", "1701", "--trust-remote-code"),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,90,95,99"),
    )


def test_the_folder_is_made_before_and_the_result_fetched_after():
    plan = run()

    assert [item.name for item in plan.steps] == ["folder", "measure", "fetch"]
    assert step("folder").argv[3:] == ("mkdir", "-p", "/tmp/vacc-bench-17")
    assert step("fetch").argv == (
        *("docker", "cp", "vllm-8:/tmp/vacc-bench-17/result.json", "result.json"),
    )
    assert [output.pattern for output in plan.outputs] == ["result*.json"]


def test_each_concurrency_is_a_run_with_a_file_of_its_own():
    names = [item.name for item in planned(concurrency=(1, 4)).steps]

    assert names == ["folder", "measure-1", "fetch-1", "measure-4", "fetch-4"]
    assert step("fetch-4", concurrency=(1, 4)).argv[-1] == "result-4.json"
    assert "result-1.json" in step("measure-1", concurrency=(1, 4)).argv


def test_a_cancelled_benchmark_is_ended_inside_the_container():
    cleanup = step("measure").cleanup

    assert cleanup[:5] == ("docker", "exec", "vllm-8", "python3", "-c")
    assert cleanup[-1] == "/tmp/vacc-bench-17"  # an argument of this job's benchmark, of no other's
    assert cleanup[-1] in step("measure").argv


@pytest.mark.parametrize("raw", [EXACT, {"deployment": "9", "as_in_guide": True, **CURRENT}])
def test_verbatim_is_ended_by_an_argument_that_it_has(raw):
    measure = step("measure", **raw)

    assert measure.cleanup[-1] in measure.argv


def test_today_the_command_is_vllm_s_own():
    argv = step("measure", **TODAY).argv

    container = ("docker", "exec", "-e", "OPENAI_API_KEY", "vllm-9")
    assert argv[:8] == (*container, "vllm", "bench", "serve")
    assert argv[-5:] == (
        *("--temperature", "0.0", "--header", "Connection=close", "--save-detailed"),
    )
    # The older script opens a connection for each request.
    assert "--header" not in step("measure").argv


async def _sent(served, headers):
    """Send eight requests, four at once, as vLLM's client does: in one session of aiohttp."""
    body = {"model": MODEL, "messages": [], "stream": True, "max_tokens": 2}
    connector = aiohttp.TCPConnector(limit=4, keepalive_timeout=60)
    lost = []

    async def ask():
        try:
            async with session.post(url, json=body, headers=headers) as answer:
                await answer.read()
        except aiohttp.ServerDisconnectedError as error:
            lost.append(error)

    url = f"{served.url}/v1/chat/completions"
    async with aiohttp.ClientSession(connector=connector) as session:
        for _ in range(2):
            await asyncio.gather(*(ask() for _ in range(4)))
    return len(lost)


@pytest.mark.parametrize("has_header", [False, True])
def test_the_header_saves_requests_to_an_engine_that_closes_kept_connections(has_header):
    argv = step("measure", **TODAY).argv
    name, _, value = argv[argv.index("--header") + 1].partition("=")
    with engine() as served:
        served.closes_kept = True
        lost = asyncio.run(_sent(served, {name: value} if has_header else {}))

    assert lost == len(served.lost) == (0 if has_header else 4)


def failing(*errors: str, **values: object) -> dict[str, bytes]:
    data = json.loads((NEW / "serve_random_chat.json").read_bytes())
    data["errors"][: len(errors)] = errors
    completed = 12 - len(errors)
    rates = {"completed": completed, "failed": len(errors)}
    rates["request_throughput"] = completed / data["duration"]
    return {"result.json": json.dumps(data | rates | values).encode()}


def test_the_cause_of_lost_requests_is_named():
    trace = 'Traceback …\n  File "x.py"\naiohttp.client_exceptions.ServerDisconnectedError: Server'
    outputs = failing(trace, trace, "Traceback\nTimeoutError")

    remarks = outcome_of(outputs, **TODAY).measured.remarks

    lost_ones, other = (one for one in remarks if "cause" in one.args)
    assert (lost_ones.id, lost_ones.args["failed"]) == ("benchmark:disconnected", 2)
    assert lost_ones.args["cause"].endswith("ServerDisconnectedError: Server")
    assert other == Message("benchmark:cause", {"failed": 1, "cause": "TimeoutError"})


def test_a_run_without_a_success_names_its_cause():
    failure = outcome_of(failing(*["Traceback\nTimeoutError"] * 12), **TODAY).failure

    assert failure == Message("benchmark:no_request_cause", {"failed": 12, "cause": "TimeoutError"})


def test_the_shared_prefix_of_random_prompts_counts_as_input():
    argv = step("measure", **TODAY, input_tokens=1000, prefix_tokens=200).argv

    place = argv.index("--random-input-len")
    assert argv[place : place + 7] == (
        *("--random-input-len", "800", "--random-output-len", "1024"),
        *("--random-prefix-len", "200", "--ignore-eos"),
    )


def test_sharegpt_is_where_its_job_puts_it():
    argv = step("measure", dataset="sharegpt").argv

    place = argv.index("--dataset-path")
    assert argv[place + 1].startswith("/test/datasets/sharegpt/ShareGPT_V3")
    assert argv[place + 2 : place + 4] == ("--sharegpt-output-len", "1024")


def test_a_key_is_in_no_argument():
    plan = planned(**TODAY)

    assert secrets(plan) == ("API_KEY",)
    assert dict(plan.steps[1].env) == {"OPENAI_API_KEY": "{secret:API_KEY}"}
    assert not any("secret" in word for item in plan.steps for word in item.argv)


def test_the_deployment_must_answer_before():
    checks = {check.name: dict(check.args) for check in run().checks}

    assert checks == {
        "docker": {},
        "endpoint": {"url": "http://127.0.0.1:8000", "model": "DeepSeek-R1"},
    }
    assert run().dies == 0  # the server holds them
    engine, client, dies = run().watches
    assert (dies.reader, dies.folder) == ("dies", "0,1")
    assert engine.url == "http://127.0.0.1:8000/metrics"
    assert (client.reader, client.expected) == ("bench-log", (("4", 100),))


# -- to the letter --------------------------------------------------------------------------------


def test_verbatim_makes_no_folder_before_and_accepts_any_length_and_concurrency():
    plan = planned(**EXACT, concurrency=(64,), input_tokens=40000)

    assert [item.name for item in plan.steps] == ["measure", "fetch"]
    assert step("fetch", **EXACT).argv[2] == (
        "vllm-8:/workspace/models/benchmark_result/result.json"
    )


def test_the_current_page_sends_three_completions():
    raw = {"deployment": "9", "as_in_guide": True, **CURRENT}
    filled = plans.params(**{**defaults_for(plans.kind.Params, vacc_host(), raw), **raw})

    assert (filled.requests, filled.concurrency, filled.prefix_tokens) == (3, (1,), 0)
    own = ["guide:docker_exec", "guide:result_fetched"]
    assert ids(**raw) == [*own, "guide:completions", "guide:same_requests"]
    assert step("fetch", **raw).argv[2] == (
        "vllm-9:/tmp/vacc-bench-17/benchmark_result/result.json"
    )


# -- outcome --------------------------------------------------------------------------------------


def test_a_run_of_0_7_2_is_a_result():
    outcome = outcome_of({"result.json": (OLD / "benchmark_serving_ok.json").read_bytes()})

    measured = outcome.measured
    assert outcome.failure is None
    assert outcome.message == Message(
        "benchmark:done", {"output_tokens_per_s": approx(500.1, abs=0.05), "concurrency": 4}
    )
    assert (measured.type, measured.tool) == ("benchmark", "vLLM 0.7.2 bench serve")
    assert measured.what == "sonnet 1024 → 1024 tok"
    assert [concurrency for concurrency, _ in measured.points] == [4]
    assert measured.metrics == measured.points[0][1] | {
        **{"requests_all": 20.0, "failed_requests_all": 0.0}
    }


def test_what_failed_at_any_concurrency_has_failed_of_the_whole():
    good = json.loads((OLD / "benchmark_serving_ok.json").read_bytes())
    sent = good["completed"]
    some = good | {"max_concurrency": 1, "output_throughput": 100.0, "completed": sent - 2}
    some["errors"] = ["timeout"] * 2 + [""] * (sent - 2)
    none = good | {"max_concurrency": 2, "completed": 0, "errors": ["timeout"] * sent}
    runs = {"result-1.json": some, "result-2.json": none, "result-4.json": good}
    files = {name: json.dumps(data).encode() for name, data in runs.items()}

    measured = outcome_of(files, concurrency=(1, 2, 4)).measured

    assert [concurrency for concurrency, _ in measured.points] == [1, 4]
    assert measured.metrics["failed_requests_all"] == sent + 2
    assert measured.metrics["requests_all"] == 2 * sent - 2


def test_the_request_before_the_run_is_a_warm_up():
    result = {"result.json": (OLD / "benchmark_serving_ok.json").read_bytes()}
    log = (OLD / "benchmark_serving_ok.txt").read_bytes()

    measured = outcome_of(result | {LOG: log}).measured

    ((level, one),) = measured.warm_ups.items()
    assert (level, one.requests, one.until) == (4, 1, None)
    assert 0 < one.tokens <= measured.metrics["output_tokens"]


def test_a_request_that_the_tool_announces_and_skips_is_no_warm_up():
    files = {LOG: "serve_random_chat.stdout", "result.json": "serve_random_chat.json"}
    outputs = {name: (NEW / file).read_bytes() for name, file in files.items()}
    assert b"Starting initial single prompt test run" in outputs[LOG]

    assert outcome_of(outputs).measured.warm_ups == {}


def test_exit_code_0_with_no_successful_request_is_a_failure():
    outcome = outcome_of({"result.json": (NEW / "serve_fail.json").read_bytes()}, **TODAY)

    assert outcome.failure is not None
    assert outcome.failure.id == "benchmark:no_request"
    assert outcome.failure.args["failed"] > 0
    assert outcome.measured is None


def test_failed_and_few_requests_are_reported():
    data = json.loads((OLD / "benchmark_serving_ok.json").read_bytes())
    data |= {"completed": 17, "errors": ["timeout"] * 3 + [""] * 17, "request_throughput": 26.6}
    data |= {"request_goodput:": 26.6}

    remarks = outcome_of({"result.json": json.dumps(data).encode()}, requests=20).measured.remarks

    assert remarks == [
        Message("benchmark:failed_requests", {"failed": 3, "total": 20, "concurrency": 4}),
        Message("benchmark:cause", {"failed": 3, "cause": "timeout"}),
        Message("benchmark:few_requests", {"requests": 20}),
        Message("benchmark:last_token"),
    ]


def test_without_a_file_the_log_is_read():
    log = (OLD / "benchmark_serving_no_result_dir.txt").read_bytes()

    outcome = outcome_of({LOG: log})

    assert outcome.measured.metrics["output_tokens_per_s"] > 0


@pytest.mark.parametrize("outputs", [{}, {"result.json": b"{}"}, {"result.json": b'{"a": '}])
def test_output_without_a_result_is_an_error(outputs):
    with pytest.raises(ParseError):
        outcome_of(outputs)


# -- cold prompts ---------------------------------------------------------------------------------


def seeds(job="17", **raw):
    steps = run(values={"job": job}, **raw).steps
    argvs = [item.argv for item in steps if item.name.startswith("measure")]
    return [argv[argv.index("--seed") + 1] for argv in argvs if "--seed" in argv]


def test_each_concurrency_has_its_own_seed_and_a_repeat_has_others():
    first = seeds(concurrency=(1, 2, 4))
    again = seeds(job="18", concurrency=(1, 2, 4))

    assert first == ["1701", "1702", "1703"]
    assert len({*first, *again}) == 6
    plan = planned(concurrency=(1, 4))
    assert plan.sha256() == planned(concurrency=(1, 4)).sha256()
    assert "{job}02" in plan.steps[3].argv


@pytest.mark.parametrize("seed", [0, 7])
def test_a_seed_that_a_person_fixed_is_sent_as_typed(seed):
    assert seeds(seed=seed, concurrency=(1, 4)) == [str(seed)] * 2


def test_verbatim_sends_no_seed_and_notes_it():
    assert seeds(**EXACT) == []
    assert "guide:same_requests" in ids(**EXACT)
    assert "guide:same_requests" not in ids()
