"""Values that a kind refuses: each at its field, before anything runs."""

import pytest
from pydantic import ValidationError

from tests.jobs.lib.kind_plans import HOSTS, plans_of
from tests.jobs.lib.vacc_target import CURRENT, EXACT

LOGIN = {"registry_user": "robot$vacc", "registry_password": "REGISTRY"}
TODAY = {"deployment": "9", **CURRENT}
LONG = {"input_tokens": 60000, "output_tokens": 1000, "max_length": 65536}
# Kind, Params that differ from the first that plan, field, words of the reason.
REFUSED = [
    ("prepare", {"model": "no-such"}, "model", ""),
    ("prepare", {"what": "environment", "environment": "no-such"}, "environment", ""),
    ("prepare-weights", {"model": "no-such"}, "model", ""),
    ("prepare-weights", {"model": "smollm2-135m-instruct"}, "model", ""),
    ("prepare-weights", {"folder": "/etc"}, "folder", ""),
    ("prepare-weights", {"folder": "/nfs/../etc"}, "folder", ""),
    ("prepare-weights", {"source": "hfd", "connections": 11}, "connections", ""),
    # A token would stand in a command line.
    *(
        ("prepare-weights", {"source": name, "token": "HF_TOKEN"}, "token", "Only hf")
        for name in ("hfd", "modelscope", "folder")
    ),
    ("apply-modification", {"weights": "2"}, "weights", ""),
    ("apply-modification", {"weights": "6"}, "weights", ""),
    ("apply-modification", {"weights": "99"}, "weights", ""),
    ("apply-modification", {"undo": True, "only_show": True}, "only_show", ""),
    ("prepare-datasets", {"folder": "/etc"}, "folder", ""),
    ("build-images", {**CURRENT, "registry_user": "me"}, "registry_password", ""),
    ("build-images", {**CURRENT, "registry_password": "REGISTRY"}, "registry_user", ""),
    ("build-images", {**EXACT, **LOGIN}, "registry_user", ""),
    ("build-images", LOGIN, "registry_user", ""),
    ("prepare-opencompass", CURRENT, "stack", ""),
    ("compile", {"weights": "99"}, "weights", ""),
    ("compile-vacc", {"weights": "6"}, "weights", ""),
    ("compile-vacc", {"weights": "99"}, "weights", ""),
    ("compile-vacc", {"max_input": 1000}, "max_input", ""),
    ("compile-vacc", {"max_input": 4096}, "max_input", ""),
    ("compile-vacc", {"max_length": 2040}, "max_length", "multiples of 16 tokens; 2040"),
    ("compile-vacc", {"tp": 3}, "tp", ""),
    ("compile-vacc", {"tp": 8, "align_qkv": "off"}, "align_qkv", ""),
    ("compile-vacc", {"weights": "2"}, "tp", "Use tp 8"),
    (
        *("compile-vacc", {"precision": "int8", "calibration": "7"}),
        *("calibration", "does not support"),
    ),
    ("deploy", {"artifact": "job:99"}, "artifact", ""),
    ("deploy", {"context": 16384}, "context", ""),
    ("deploy-build-in", {"artifact": "4"}, "artifact", ""),
    ("deploy-build-in", {"publish_port": 17110}, "subscribe_port", "must differ"),
    ("deploy-build-in", {"port": 17810}, "publish_port", "must differ"),
    ("deploy-build-in", {"bind": "127.0.0.2"}, "bind", ""),  # no other machine reaches it
    ("deploy-vllm", {"tp": 16}, "tp", ""),
    ("deploy-vllm", {"max_length": 131072}, "max_length", ""),
    ("deploy-vllm", {"pp": 2}, "pp", ""),
    ("deploy-vllm", {"mtp": True}, "mtp", "Stack Deployment guide does not support MTP"),
    ("deploy-vllm", {"mtp": True, "pp": 2, **CURRENT}, "mtp", ""),
    # 64 dies, and there are 32.
    ("deploy-vllm", {"pp": 2, "max_length": 131072, **CURRENT}, "pp", "32 dies; 64 needed"),
    ("deploy-vllm", {"weights": "1"}, "weights", ""),  # a distill is not served this way
    ("deploy-vllm", {"weights": "99"}, "weights", ""),
    ("deploy-vllm", {"bind": "127.0.0.2"}, "bind", ""),
    # Verbatim has no place for these.
    ("deploy-vllm", {"api_key": "API_KEY", **EXACT}, "api_key", ""),
    ("deploy-vllm", {"kv_cache_space": 4, **EXACT}, "kv_cache_space", ""),
    ("deploy-vllm", {"mtp": True, **EXACT}, "mtp", ""),
    ("benchmark", {"deployment": "99"}, "deployment", ""),
    ("benchmark", {"concurrency": (2, 2)}, "concurrency", ""),
    ("benchmark", {"prompts": "no-such"}, "prompts", ""),
    ("benchmark-online", {"deployment": "99"}, "deployment", "Not on this host"),
    ("benchmark-online", {"deployment": "10", **CURRENT}, "deployment", "runs on vastgenx"),
    ("benchmark-online", {"deployment": "9"}, "deployment", "uses stack “Current”"),
    ("benchmark-online", {"concurrency": (4, 4)}, "concurrency", ""),
    ("benchmark-online", {"concurrency": (1, 5)}, "concurrency", ""),
    ("benchmark-online", {"concurrency": (1, 2), **EXACT}, "concurrency", ""),
    ("benchmark-online", {"prefix_tokens": 1024}, "prefix_tokens", ""),
    ("benchmark-online", {"input_tokens": 32000}, "output_tokens", ""),
    ("benchmark-online", {"input_tokens": 40000}, "input_tokens", ""),
    ("benchmark-online", {**TODAY, "dataset": "sonnet"}, "path", ""),  # the image has none
    ("benchmark-online", {**TODAY, "dataset": "sharegpt"}, "path", ""),  # it sees weights alone
    *(
        (f"benchmark-{name}", raw, field, "")
        for name in ("throughput", "latency")
        for raw, field in (
            ({"weights": "99"}, "weights"),
            ({"weights": "1"}, "weights"),
            ({"input_tokens": 16000, "output_tokens": 1000}, "max_length"),
            ({"tp": 16}, "tp"),
            ({"max_length": 131072}, "max_length"),
            (LONG, "input_tokens"),
        )
    ),
    ("evaluate", {"questions": "no-such"}, "questions", ""),
    ("evaluate", {"question_seed": 7}, "question_seed", ""),
    ("evaluate", {"language": "zh", "limit": 40}, "limit", ""),
    ("evaluate", {"limit": 143}, "limit", "At most 142"),
    ("evaluate", {"samples": 4}, "samples", ""),
    ("evaluate-evalscope", {"deployment": "99"}, "deployment", ""),
    ("evaluate-evalscope", EXACT, "stack", "uses OpenCompass instead"),
    ("evaluate-evalscope", {"datasets": ("mmlu", "mmlu")}, "datasets", ""),
    ("evaluate-evalscope", {"max_tokens": 32768}, "max_tokens", ""),
    ("evaluate-evalscope", {"source": "folder", "folder": "/etc"}, "folder", ""),
    ("evaluate-opencompass", {"deployment": "99"}, "deployment", ""),
    ("evaluate-opencompass", CURRENT, "stack", "uses EvalScope instead"),
    ("evaluate-opencompass", {"datasets": ("mmlu", "mmlu")}, "datasets", ""),
    ("evaluate-opencompass", {"max_length": 65536}, "max_length", ""),
    ("evaluate-opencompass", {"max_answer": 32768}, "max_answer", ""),
    ("evaluate-opencompass", {"max_length": 255, "max_answer": 9}, "max_length", "At least 256"),
    ("evaluate-opencompass", {"question_seed": 7}, "question_seed", ""),
    ("greedy-probe", {"reference": "3"}, "deployment", ""),
    ("greedy-probe", {"prompts": "unknown"}, "prompts", ""),
]
ROOT = "/data/a {b} host"
ROOTS = {name: f"{ROOT}/{name}" for name in ("weights", "artifacts", "environments")}
ROOTS |= {name: f"{ROOT}/{name}" for name in ("spool", "serve")}
OF_JOBS = {name: f"/nfs{path.removeprefix(ROOT)}" for name, path in ROOTS.items()}
FOUR_DIES = {"dies": [{"id": number} for number in range(4)]}
NEWER = {"python": {"path": "/opt/venv/bin/python", "version": "3.13.1"}}
OPENCOMPASS = {"what": "environment", "environment": "opencompass"}
# The same on a host that differs by these facts.
REFUSED_ON = [
    ("prepare", NEWER, OPENCOMPASS, "environment", r"Python 3\.12 or older"),
    (
        *("prepare-weights", {"workspace": "/nfs", "roots": OF_JOBS}),
        {"source": "folder", "folder": "/nfs/spool/17/work/r1"},
        *("folder", "removed some days after the job ends"),
    ),
    ("apply-modification", {"modification_dir": ""}, {}, "weights", "HOST_MODIFICATION_DIR"),
    (
        *("prepare-datasets", {"workspace": "/nfs"}),
        *({"dataset": "opencompass", "folder": "/nfs/x"}, "folder", "only from its own checkout"),
    ),
    ("build-images", {"workspace": "/nfs"}, {"folder": "/root/docker"}, "folder", ""),
    ("build-images", {"registry": ""}, CURRENT, "stack", "HOST_REGISTRY"),
    ("prepare-opencompass", {"conda": ""}, {}, "", "va16 has no conda"),
    ("evaluate-opencompass", {"conda": ""}, {}, "", "va16 has no conda"),
    ("deploy-vllm", {"registry": ""}, CURRENT, "stack", "HOST_REGISTRY"),
    ("benchmark-throughput", FOUR_DIES, {}, "tp", "va16 has 4 dies; 32 needed"),
    ("benchmark-latency", FOUR_DIES, {}, "tp", "va16 has 4 dies; 32 needed"),
    *(
        ("collect-results", {}, {"folder": folder}, "folder", r"below /data/a \{b\} host")
        for folder in ("", "runs", "/etc", f"{ROOT}/../x", f"{ROOT}/\u202ex", f"{ROOT}/a/../..")
    ),
    ("collect-results", {}, {"folder": f"{ROOT}/"}, "folder", "not the whole workspace"),
    *(
        ("collect-results", {"roots": ROOTS}, {"folder": f"{ROOT}/{name}/3"}, "folder", "of jobs")
        for name in ("spool", "serve", "environments")
    ),
]


@pytest.mark.parametrize(("kind", "raw", "field", "says"), REFUSED)
def test_what_cannot_run_is_refused_at_its_field(kind, raw, field, says):
    assert plans_of(kind).refused(says=says, **raw) == field


@pytest.mark.parametrize(("kind", "facts", "raw", "field", "says"), REFUSED_ON)
def test_what_a_host_lacks_is_refused_at_its_field(kind, facts, raw, field, says):
    assert plans_of(kind).refused(HOSTS[kind](facts), says=says, **raw) == field


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("prepare", {"what": "everything"}),
        ("prepare-weights", {"folder": "/nfs/a {b} space"}),
        ("build-images", {"repository": "git@host:x"}),
        ("build-images", {"repository": "https://a b"}),
        ("build-images", {"repository": "--upload-pack=x"}),
        ("build-images", {"repository": "file:///x"}),
        ("compile", {"weights": None}),
        ("compile", {"precision": "int2"}),
        ("deploy", {"name": "a b"}),
        ("deploy", {"parallel": 0}),
        # Of llmdeploy's own sample.
        ("deploy-build-in", {"publish_port": 77810}),
        ("deploy-build-in", {"subscribe_port": 77110}),
        ("benchmark", {"concurrency": ()}),
        ("benchmark", {"concurrency": (0,)}),
        ("evaluate", {"temperature": -1}),
        ("evaluate", {"unknown": 1}),
    ],
)
def test_params_hold_their_limits(kind, raw):
    with pytest.raises(ValidationError):
        plans_of(kind).params(**raw)
