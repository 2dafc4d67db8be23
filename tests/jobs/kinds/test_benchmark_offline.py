"""The benchmarks without a server: throughput and latency of the engine itself."""

import pytest
from pytest import approx

from jobs.base.errors import LaunchError, ParseError
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.lib.base import asset_values
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG, Outcome
from jobs.plans import fill
from jobs.readings import read_outcome
from tests.jobs.lib.target import DATA
from tests.jobs.lib.vacc_target import CURRENT, EXACT, vacc_host, vacc_values

benchmark_latency = KINDS["benchmark-latency"]
benchmark_throughput = KINDS["benchmark-throughput"]

NEW = DATA / "vllm-0.32" / "bench"
# 0.7.2 prints the same without the totals.
OLD_LOG = b"Throughput: 0.12 requests/s, 245.67 total tokens/s, 122.83 output tokens/s\n"
SCRIPTS = {
    benchmark_throughput: "benchmark_throughput.py",
    benchmark_latency: "benchmark_latency.py",
}
COMMANDS = {benchmark_throughput: "throughput", benchmark_latency: "latency"}

both = pytest.mark.parametrize("kind", SCRIPTS, ids=[kind.name for kind in SCRIPTS])


def params(kind, **raw):
    return kind.Params(**{"weights": "6", **raw})


def planned(kind, **raw):
    return kind.plan(params(kind, **raw), vacc_host())


def run(kind, **raw):
    target = vacc_host()
    assets = asset_values(kind.inputs(params(kind, **raw), target))
    return fill(planned(kind, **raw), {**vacc_values(target), "dies": "0,1", **assets})


def step(kind, name, **raw):
    return next(item for item in run(kind, **raw).steps if item.name == name)


def ids(kind, **raw):
    return [remark.id for remark in kind.notes(params(kind, **raw), vacc_host())]


def outcome_of(kind, outputs, **raw):
    return read_outcome(kind, params(kind, **raw), run(kind, **raw), outputs)


# -- the commands ---------------------------------------------------------------------------------


@both
def test_the_engine_s_container_is_removed_with_the_job(kind):
    container = step(kind, "container")

    assert container.argv == (
        *("docker", "run", "--ipc=host", "--rm", "-dit", "--shm-size=256g"),
        *("--network", "host", "--privileged", "-v", "/nfs/a {b} space:/test"),
        *("--label", "vacc.job=17", "-e", "VACC_VISIBLE_DEVICES=0,1"),
        *("-v", "/data/host/spool/17/work:/results", "--name=vllm-bench-17", "vllm_vacc", "bash"),
    )
    assert container.cleanup == ("docker", "rm", "-f", "vllm-bench-17")
    assert not any(item.serves for item in run(kind).steps)


@both
def test_the_script_gets_the_plug_in_as_its_first_line(kind):
    plan = run(kind)

    assert [item.name for item in plan.steps] == ["container", "plug-in", "measure"]
    assert step(kind, "plug-in").argv[2:] == (
        *("-w", "/workspace/vllm/benchmarks", "vllm-bench-17"),
        *("sed", "-i", "1i import vllm_vacc", SCRIPTS[kind]),
    )


def test_throughput_drops_options_its_version_lacks():
    assert step(benchmark_throughput, "measure").argv == (
        *("docker", "exec", "-w", "/workspace/vllm/benchmarks", "vllm-bench-17"),
        *("python3", "benchmark_throughput.py", "--model", "/test/weights/DeepSeek-R1"),
        *("--trust-remote-code", "--tensor-parallel-size", "32", "--enforce-eager"),
        *("--max-model-len", "16384", "--num-prompts", "10", "--input-len", "1000"),
        *("--output-len", "1000", "--output-json", "/results/result.json"),
    )


def test_latency_is_the_guide_s_with_a_file_of_its_figures():
    assert step(benchmark_latency, "measure").argv[5:] == (
        *("python3", "benchmark_latency.py", "--model", "/test/weights/DeepSeek-R1"),
        *("--trust-remote-code", "--tensor-parallel-size", "32", "--enforce-eager"),
        *("--max-model-len", "16384", "--input-len", "1024", "--output-len", "1024"),
        *("--batch-size", "1", "--num-iters", "10", "--output-json", "/results/result.json"),
    )


@both
def test_today_it_is_vllm_s_own_command_in_a_waiting_container(kind):
    container, measure = step(kind, "container", **CURRENT), step(kind, "measure", **CURRENT)

    assert container.argv[:5] == ("docker", "run", "-d", "--rm", "--privileged=true")
    assert container.argv[-3:] == (
        *("registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02", "sleep", "infinity"),
    )
    assert measure.argv[:6] == ("docker", "exec", "vllm-bench-17", "vllm", "bench", COMMANDS[kind])
    assert "/weights/DeepSeek-R1" in measure.argv
    assert [item.name for item in run(kind, **CURRENT).steps] == ["container", "measure"]


def test_today_the_throughput_names_its_data_set():
    argv = step(benchmark_throughput, "measure", **CURRENT).argv

    assert argv[argv.index("--dataset-name") + 1] == "random"
    assert argv[argv.index("--random-input-len") + 1] == "1000"
    assert argv[argv.index("--random-output-len") + 1] == "1000"
    assert "--input-len" not in argv  # its defaults for random prompts would come first
    assert ids(benchmark_throughput, **CURRENT)[-1] == "guide:random_lengths"


@both
def test_verbatim_adds_nothing(kind):
    plan = run(kind, **EXACT)

    assert [item.name for item in plan.steps] == ["container", "measure"]
    assert "--output-json" not in plan.steps[1].argv
    assert [output.required for output in plan.outputs] == [False]
    assert plan.steps[0].cleanup == ("docker", "rm", "-f", "vllm_vacc")


@both
def test_only_the_guide_prints_offline_commands(kind):
    assert run(kind, as_in_guide=True, **CURRENT) == run(kind, **CURRENT)


@both
def test_it_leases_its_dies_and_looks_first(kind):
    plan = run(kind)

    assert plan.dies == 32
    assert [check.name for check in plan.checks] == [
        *("docker", "image", "dies", "iommu", "weights", "container"),
    ]


# -- remarks ------------------------------------------------------------------------------------


@both
def test_notes_name_the_corrections(kind):
    note_ids = ids(kind)

    assert note_ids[:9] == [
        *("guide:detached", "guide:workspace_here", "guide:docker_exec", "guide:plugin_imported"),
        *("guide:own_name", "guide:label", "guide:results_mounted"),
        *("guide:json_kept", "guide:dies_named"),
    ]
    assert note_ids[9:] == (["guide:dataset_name_dropped"] if kind is benchmark_throughput else [])


@both
def test_verbatim_notes_what_goes_wrong(kind):
    note_ids = ids(kind, **EXACT)

    assert note_ids[3:5] == ["guide:plugin_missing", "guide:dies_unnamed"]
    assert note_ids[5:] == (["guide:dataset_name_fails"] if kind is benchmark_throughput else [])


@both
@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"weights": "99"}, "weights"),
        ({"weights": "1"}, "weights"),  # a distill is not served by vLLM here
        ({"input_tokens": 16000, "output_tokens": 1000}, "max_length"),
        ({"tp": 16}, "tp"),
        ({"max_length": 131072}, "max_length"),
        ({"input_tokens": 60000, "output_tokens": 1000, "max_length": 65536}, "input_tokens"),
    ],
)
def test_what_cannot_run_is_refused_at_its_field(kind, raw, field):
    with pytest.raises(LaunchError) as caught:
        planned(kind, **raw)

    assert caught.value.field == field


@both
def test_more_dies_than_there_are_would_be_waited_for_for_ever(kind):
    with pytest.raises(LaunchError, match="va16 has 4 dies; 32 needed") as caught:
        kind.plan(params(kind), vacc_host({"dies": [{"id": n} for n in range(4)]}))

    assert caught.value.field == "tp"


@both
def test_verbatim_notes_limits_and_refuses_nothing(kind):
    assert "limit:tp" in ids(kind, tp=16, **EXACT)
    assert planned(kind, tp=16, **EXACT).dies == 16


# -- outcome --------------------------------------------------------------------------------------


def test_a_throughput_is_a_result_with_one_point():
    outputs = {"result.json": (NEW / "throughput.json").read_bytes()}

    outcome = outcome_of(benchmark_throughput, outputs, requests=16, output_tokens=32)

    measured = outcome.measured
    assert outcome.message == Message(
        "benchmark:offline", {"output_tokens_per_s": approx(145.6, abs=0.05)}
    )
    assert measured.what == "offline, 16 × 1000 → 32 tok"
    assert measured.points == [(16, measured.metrics)]
    assert measured.remarks == [Message("benchmark:no_server")]
    assert set(measured.metrics) <= set(METRICS)


def test_a_throughput_without_a_file_is_read_from_the_log():
    outcome = outcome_of(benchmark_throughput, {LOG: OLD_LOG}, **EXACT)

    assert outcome.message == Message("benchmark:offline", {"output_tokens_per_s": 122.83})
    assert outcome.measured.metrics["total_tokens_per_s"] == 245.67


def test_a_rate_of_all_tokens_is_not_called_one_of_the_output():
    outcome = outcome_of(
        benchmark_throughput, {LOG: b"Throughput: 0.12 requests/s, 245.67 total tokens/s\n"}
    )

    assert outcome.message == Message("benchmark:offline_total", {"total_tokens_per_s": 245.67})


def test_a_latency_is_a_result_with_one_point():
    outputs = {"result.json": (NEW / "latency.json").read_bytes()}

    outcome = outcome_of(benchmark_latency, outputs, batch_size=4)

    measured = outcome.measured
    assert outcome.message == Message("benchmark:batch", {"seconds": approx(1.57, abs=0.005)})
    assert measured.what == "offline, batch 4, 1024 → 1024 tok"
    assert measured.points == [(4, measured.metrics)]
    assert set(measured.metrics) <= set(METRICS)


def test_a_latency_without_a_file_is_read_from_the_log():
    outcome = outcome_of(benchmark_latency, {LOG: (NEW / "latency.stdout").read_bytes()}, **EXACT)

    assert outcome.measured.metrics["batch_latency_mean_s"] == pytest.approx(1.5655, abs=1e-3)


@both
@pytest.mark.parametrize("outputs", [{}, {LOG: b"Loading safetensors checkpoint shards\n"}])
def test_a_tool_that_exits_0_without_figures_has_failed(kind, outputs):
    assert outcome_of(kind, outputs) == Outcome(failure=Message("benchmark:no_figures"))


@both
def test_a_file_that_is_torn_is_no_result(kind):
    with pytest.raises(ParseError):
        outcome_of(kind, {"result.json": b'{"elapsed_time": 3.'})
