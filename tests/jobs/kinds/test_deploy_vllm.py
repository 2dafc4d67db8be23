"""Deploy with vLLM: the guide's container and server, corrected, and the current ones."""

from dataclasses import replace
from itertools import pairwise

import pytest

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef
from jobs.kinds.lib.defaults import defaults_for
from jobs.plans import secrets
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.vacc_target import CURRENT, EXACT, vacc_host

kind = KINDS["deploy-vllm"]

WEIGHTS = {"weights": "6"}
DIES_64 = {"dies": [{"id": number} for number in range(64)]}


plans = plans_of(kind.name)
planned, run, step = plans.planned, plans.run, plans.step
ids, refused = plans.ids, plans.refused


def options(argv):
    return dict(pairwise(argv))


# -- the guide's stack ----------------------------------------------------------------------------


def test_the_container_and_the_server_add_what_the_guide_s_lack():
    assert step("container").argv == (
        *("docker", "run", "--ipc=host", "--rm", "-dit", "--shm-size=256g"),
        *("--network", "host", "--privileged", "-v", "/nfs/a {b} space:/test"),
        *("--label", "vacc.job=17", "-e", "VACC_VISIBLE_DEVICES=4,5,6,7"),
        *("--name=vllm-4", "vllm_vacc", "bash"),
    )
    assert step("serve").argv == (
        *("docker", "exec", "vllm-4", "vllm", "serve", "/test/weights/DeepSeek-R1"),
        *("--trust-remote-code", "--tensor-parallel-size", "32", "--max-model-len", "32768"),
        *("--enforce-eager", "--enable-reasoning", "--reasoning-parser", "deepseek_r1"),
        *("--host", "0.0.0.0", "--port", "9001", "--served-model-name", "DeepSeek-R1"),
    )


def test_the_container_is_removed_with_its_deployment():
    plan = run()

    assert [item.name for item in plan.steps if item.serves] == ["container", "serve"]
    assert [item.cleanup for item in plan.steps] == [("docker", "rm", "-f", "vllm-4"), (), ()]
    assert step("serve").health == "/health"


def test_the_job_waits_with_the_server_s_log_in_its_own():
    argv = step("wait").argv

    assert argv[1:3] == ("/data/host/spool/17/files/wait_ready.py", "http://127.0.0.1:9001")
    assert options(argv)["--log"] == "/data/host/serve/4/log"
    assert options(argv)["--model"] == "DeepSeek-R1"


def test_dies_port_and_metrics_are_the_plan_s():
    plan = planned(tp=32, port=8123)

    assert (plan.dies, plan.port, plan.address) == (32, 8123, "")
    assert [watch.url for watch in plan.watches] == ["http://127.0.0.1:{port}/metrics"]
    assert "vllm:generation_tokens_total" in plan.watches[0].metrics


def test_verbatim_asks_for_the_model_s_path_where_the_server_listens():
    plan, wait = planned(**EXACT), step("wait", **EXACT).argv

    assert options(wait)["--model"] == "/test/weights/DeepSeek-R1"
    assert plans.product(**EXACT)["name"] == ("/test/weights/DeepSeek-R1")
    assert plan.address == "10.24.73.25"
    assert wait[2] == "http://10.24.73.25:9001"
    assert plan.watches[0].url == "http://10.24.73.25:{port}/metrics"


def test_one_s_own_address_is_listened_on():
    argv = step("serve", **EXACT, bind="192.168.1.7").argv

    assert options(argv)["--host"] == "192.168.1.7"
    assert planned(bind="192.168.1.7").address == "192.168.1.7"


def test_without_the_parser_no_reasoning_is_asked_for():
    argv = step("serve", reasoning=False).argv

    assert not {"--enable-reasoning", "--reasoning-parser"} & set(argv)
    assert "guide:think_tags" not in ids(reasoning=False)


# -- today's stack --------------------------------------------------------------------------------


def test_today_one_docker_run_with_name_and_dies_is_the_server():
    serve, wait = run(**CURRENT).steps

    assert (serve.name, serve.serves, wait.name, wait.serves) == ("serve", True, "wait", False)
    assert serve.cleanup == ("docker", "rm", "-f", "vllm-4")
    assert serve.argv == (
        *("docker", "run", "--privileged=true", "--shm-size=256g", "--name", "vllm-4"),
        *("-v", "/nfs/a {b} space/weights:/weights/", "-p", "9001:9001", "--ipc=host"),
        *("--rm", "--label", "vacc.job=17", "-e", "VACC_VISIBLE_DEVICES=4,5,6,7"),
        "registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02",
        *("vllm", "serve", "/weights/DeepSeek-R1", "--trust-remote-code"),
        *("--tensor-parallel-size", "32", "--max-model-len", "32768", "--enforce-eager"),
        *("--reasoning-parser", "deepseek_r1", "--host", "0.0.0.0", "--port", "9001"),
        *("--served-model-name", "DeepSeek-R1"),
    )


def test_long_inputs_and_stages_set_their_options():
    long = {"pp": 2, "max_length": 131072, **CURRENT}
    target = vacc_host(DIES_64)

    argv = step("serve", target, **long).argv
    one_stage = step("serve", **CURRENT, max_length=65536).argv

    assert "LLM_MAX_PREFILL_SEQ_LEN=102400" in argv
    assert "LLM_MAX_PREFILL_SEQ_LEN=102400" not in one_stage
    assert argv[-1] == "--no-async-scheduling"
    assert "guide:async_off" in ids(target, **long)
    assert planned(target, **long).dies == 64


def test_mtp_comes_with_its_configuration():
    argv = step("serve", **CURRENT, mtp=True).argv

    assert argv[-3:] == (
        "--speculative-config",
        '{"method":"deepseek_mtp","num_speculative_tokens":1}',
        "--no-async-scheduling",
    )


def test_verbatim_current_commands_lack_what_the_page_describes():
    target, asked = vacc_host(DIES_64), {"as_in_guide": True, **CURRENT}
    raw = {**asked, **defaults_for(kind.Params, target, asked)}

    assert (raw["pp"], raw["max_length"]) == (2, 131072)
    assert "--no-async-scheduling" not in step("serve", target, **raw).argv
    assert ids(target, **raw) == ["guide:dies_unnamed", "guide:async_left", "guide:waits_ready"]


def test_behind_a_published_port_the_server_listens_everywhere():
    plan = planned(**CURRENT, bind="192.168.1.7")

    assert plan.address == ""
    assert options(step("serve", **CURRENT, bind="192.168.1.7").argv)["--host"] == "0.0.0.0"


# -- the key --------------------------------------------------------------------------------------


@pytest.mark.parametrize("stack", ["guide", "current"])
def test_a_key_is_in_no_argument(stack):
    plan = planned(stack=stack, api_key="API_KEY")

    first = plan.steps[0]
    assert first.argv[first.argv.index("VLLM_API_KEY") - 1] == "-e"
    assert dict(first.env) == {"VLLM_API_KEY": "{secret:API_KEY}"}
    assert dict(plan.steps[-1].env)["API_KEY"] == "{secret:API_KEY}"
    assert secrets(plan) == ("API_KEY",)
    assert "guide:key_in_environment" in ids(stack=stack, api_key="API_KEY")


def test_the_cache_s_space_is_a_variable_of_the_container():
    assert "VLLM_VACC_KVCACHE_SPACE=16" in step("container", kv_cache_space=16).argv


# -- what must hold -------------------------------------------------------------------------------


def test_the_host_looks_before_a_die_is_leased():
    checks = {check.name: (dict(check.args), check.asks) for check in run(port=8000).checks}

    assert checks == {
        "docker": ({}, False),
        "image": ({"name": "vllm_vacc"}, False),
        "dies": ({"ids": "4,5,6,7"}, False),
        "iommu": ({}, False),
        "avx512": ({}, True),
        "shm": ({"bytes": str(256 * 2**30)}, True),
        "weights": ({"path": "/nfs/a {b} space/weights/DeepSeek-R1"}, False),
        "container": ({"name": "vllm-4"}, False),
        "port": ({"port": "8000"}, False),
    }


def test_an_image_chosen_for_the_processor_needs_no_avx512():
    names = [check.name for check in planned(**CURRENT, port=0).checks]

    assert not {"avx512", "port"} & set(names)


def test_verbatim_notes_limits_and_refuses_nothing():
    assert "limit:tp" in ids(tp=16, **EXACT)
    assert planned(tp=16, **EXACT).dies == 16


def test_weights_that_the_container_does_not_see_are_refused():
    target = vacc_host()
    data = {**target.weights[2].data, "path": "/elsewhere/DeepSeek-R1"}
    elsewhere = replace(target, weights=(AssetRef("weights", "far", id=6, data=data),))

    for stack in ("guide", "current"):
        assert refused(elsewhere, stack=stack) == "weights"


def test_a_name_that_no_deployment_can_have_is_refused():
    target = vacc_host()
    data = {**target.weights[2].data, "path": f"/nfs/a {{b}} space/weights/{'x' * 100}"}
    long = replace(target, weights=(AssetRef("weights", "long", id=6, data=data),))

    assert refused(long, **EXACT) == "name"


# -- product --------------------------------------------------------------------------------------


def test_the_deployment_has_what_benchmarks_and_chats_need():
    product = plans.product(api_key="API_KEY")

    assert (product["type"], product["name"], product["model_id"]) == (
        *("deployment", "DeepSeek-R1", "deepseek-r1"),
    )
    assert product["details"] == {
        "label": "bf16 tp32",
        "precision": "bf16",
        "toolchain": "vllm",
        "engine": "vllm",
        "stack": "guide",
        "tp": 32,
        "pp": 1,
        "mtp": False,
        "reasoning": True,
        "max_input": 32768,
        "max_total": 32768,
        "container": "vllm-{deployment.id}",
        "tokenizer": "/test/weights/DeepSeek-R1",
        "path": "/nfs/a {b} space/weights/DeepSeek-R1",
        "api_key": "API_KEY",
    }


def test_the_longest_input_is_the_published_one():
    assert plans.product(**CURRENT, max_length=65536)["details"]["max_input"] == 57344


def test_a_title_names_the_shape():
    params = kind.Params(**WEIGHTS, **CURRENT, pp=2, mtp=True)

    assert kind.title_of(params, vacc_host()) == "DeepSeek-R1, tp32-pp2, MTP"


def test_a_note_is_a_message_with_all_its_arguments():
    notes = kind.notes(kind.Params(**WEIGHTS, **EXACT), vacc_host())

    assert Message("guide:address", {"address": "10.24.73.25"}) in notes
    assert Message("guide:dies_unnamed", {"dies": 32}) in notes
