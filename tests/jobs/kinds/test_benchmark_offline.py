"""The benchmarks without a server: throughput and latency of the engine itself."""

import pytest
from pytest import approx

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG, Outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA
from tests.jobs.lib.vacc_target import CURRENT, EXACT

LATENCY, THROUGHPUT = plans_of("benchmark-latency"), plans_of("benchmark-throughput")

NEW = DATA / "vllm-0.32" / "bench"
# 0.7.2 prints the same without the totals.
OLD_LOG = b"Throughput: 0.12 requests/s, 245.67 total tokens/s, 122.83 output tokens/s\n"
both = pytest.mark.parametrize("plans", [THROUGHPUT, LATENCY], ids=lambda one: one.kind.name)


# -- the commands ---------------------------------------------------------------------------------


@both
def test_the_engine_s_container_is_removed_with_the_job(plans):
    container = plans.step("container")

    assert container.argv == (
        *("docker", "run", "--ipc=host", "--rm", "-dit", "--shm-size=256g"),
        *("--network", "host", "--privileged", "-v", "/nfs/a {b} space:/test"),
        *("--label", "vacc.job=17", "-e", "VACC_VISIBLE_DEVICES=4,5,6,7"),
        *("-v", "/data/host/spool/17/work:/results", "--name=vllm-bench-17", "vllm_vacc", "bash"),
    )
    assert container.cleanup == ("docker", "rm", "-f", "vllm-bench-17")
    assert not any(item.serves for item in plans.run().steps)


@both
def test_the_script_gets_the_plug_in_as_its_first_line(plans):
    plan = plans.run()

    assert [item.name for item in plan.steps] == ["container", "plug-in", "measure"]
    assert plans.step("plug-in").argv[2:] == (
        *("-w", "/workspace/vllm/benchmarks", "vllm-bench-17"),
        *("sed", "-i", "1i import vllm_vacc", f"{plans.kind.name.replace('-', '_')}.py"),
    )


def test_throughput_drops_options_its_version_lacks():
    assert THROUGHPUT.step("measure").argv == (
        *("docker", "exec", "-w", "/workspace/vllm/benchmarks", "vllm-bench-17"),
        *("python3", "benchmark_throughput.py", "--model", "/test/weights/DeepSeek-R1"),
        *("--trust-remote-code", "--tensor-parallel-size", "32", "--enforce-eager"),
        *("--max-model-len", "16384", "--num-prompts", "10", "--input-len", "1000"),
        *("--output-len", "1000", "--output-json", "/results/result.json"),
    )


def test_latency_is_the_guide_s_with_a_file_of_its_figures():
    assert LATENCY.step("measure").argv[5:] == (
        *("python3", "benchmark_latency.py", "--model", "/test/weights/DeepSeek-R1"),
        *("--trust-remote-code", "--tensor-parallel-size", "32", "--enforce-eager"),
        *("--max-model-len", "16384", "--input-len", "1024", "--output-len", "1024"),
        *("--batch-size", "1", "--num-iters", "10", "--output-json", "/results/result.json"),
    )


@both
def test_today_it_is_vllm_s_own_command_in_a_waiting_container(plans):
    container, measure = plans.step("container", **CURRENT), plans.step("measure", **CURRENT)

    assert container.argv[:5] == ("docker", "run", "-d", "--rm", "--privileged=true")
    assert container.argv[-3:] == (
        *("registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02", "sleep", "infinity"),
    )
    assert measure.argv[:3] == ("docker", "exec", "vllm-bench-17")
    assert measure.argv[3:6] == ("vllm", "bench", plans.kind.command)
    assert "/weights/DeepSeek-R1" in measure.argv
    assert [item.name for item in plans.run(**CURRENT).steps] == ["container", "measure"]


def test_today_the_throughput_names_its_data_set():
    argv = THROUGHPUT.step("measure", **CURRENT).argv

    assert argv[argv.index("--dataset-name") + 1] == "random"
    assert argv[argv.index("--random-input-len") + 1] == "1000"
    assert argv[argv.index("--random-output-len") + 1] == "1000"
    assert "--input-len" not in argv  # its defaults for random prompts would come first
    assert THROUGHPUT.ids(**CURRENT)[-1] == "guide:random_lengths"


@both
def test_verbatim_adds_nothing_and_refuses_nothing(plans):
    plan = plans.run(**EXACT)

    assert [item.name for item in plan.steps] == ["container", "measure"]
    assert "--output-json" not in plan.steps[1].argv
    assert [output.required for output in plan.outputs] == [False]
    assert plan.steps[0].cleanup == ("docker", "rm", "-f", "vllm_vacc")
    assert "limit:tp" in plans.ids(tp=16, **EXACT)
    assert plans.planned(tp=16, **EXACT).dies == 16
    # Only the guide prints offline commands.
    assert plans.run(as_in_guide=True, **CURRENT) == plans.run(**CURRENT)


@both
def test_it_leases_its_dies_and_looks_first(plans):
    plan = plans.run()

    assert plan.dies == 32
    assert [check.name for check in plan.checks] == [
        *("docker", "image", "dies", "iommu", "weights", "container"),
    ]


# -- outcome --------------------------------------------------------------------------------------


def test_a_throughput_is_a_result_with_one_point():
    outputs = {"result.json": (NEW / "throughput.json").read_bytes()}

    outcome = THROUGHPUT.outcome_of(outputs, requests=16, output_tokens=32)

    measured = outcome.measured
    assert outcome.message == Message(
        "benchmark:offline", {"output_tokens_per_s": approx(145.6, abs=0.05)}
    )
    assert measured.what == "offline, 16 × 1000 → 32 tok"
    assert measured.points == [(16, measured.metrics)]
    assert measured.remarks == [Message("benchmark:no_server")]
    assert set(measured.metrics) <= set(METRICS)


def test_without_a_file_the_log_is_read():
    outcome = THROUGHPUT.outcome_of({LOG: OLD_LOG}, **EXACT)
    total = THROUGHPUT.outcome_of({LOG: b"Throughput: 0.12 requests/s, 245.67 total tokens/s\n"})
    latency = LATENCY.outcome_of({LOG: (NEW / "latency.stdout").read_bytes()}, **EXACT)

    assert outcome.message == Message("benchmark:offline", {"output_tokens_per_s": 122.83})
    assert outcome.measured.metrics["total_tokens_per_s"] == 245.67
    # A rate of all tokens is not called one of the output.
    assert total.message == Message("benchmark:offline_total", {"total_tokens_per_s": 245.67})
    assert latency.measured.metrics["batch_latency_mean_s"] == pytest.approx(1.5655, abs=1e-3)


def test_a_latency_is_a_result_with_one_point():
    outputs = {"result.json": (NEW / "latency.json").read_bytes()}

    outcome = LATENCY.outcome_of(outputs, batch_size=4)

    measured = outcome.measured
    assert outcome.message == Message("benchmark:batch", {"seconds": approx(1.57, abs=0.005)})
    assert measured.what == "offline, batch 4, 1024 → 1024 tok"
    assert measured.points == [(4, measured.metrics)]
    assert set(measured.metrics) <= set(METRICS)


@both
@pytest.mark.parametrize("outputs", [{}, {LOG: b"Loading safetensors checkpoint shards\n"}])
def test_a_tool_that_exits_0_without_figures_has_failed(plans, outputs):
    assert plans.outcome_of(outputs) == Outcome(failure=Message("benchmark:no_figures"))


@both
def test_a_file_that_is_torn_is_no_result(plans):
    with pytest.raises(ParseError):
        plans.outcome_of({"result.json": b'{"elapsed_time": 3.'})
