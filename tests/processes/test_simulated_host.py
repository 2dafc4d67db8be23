"""A simulated host beside a real dashboard: full pipelines of models, and their faults.

The tests are in the order of a day: a pipeline, faults at its server, faults on idle dies.
"""

import json
import os
import shutil
import signal
import urllib.request

import pytest

from jobs.catalog.presets import WORKLOADS
from tests.api import until
from tests.simulated import DIES, LARGE, NAME, SMALL
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.processes, pytest.mark.simulated, pytest.mark.in_order]

# EvalScope is really installed, with pip, for these; the browser's pipeline borrows the tour's.
NEED_EVALSCOPE = ("benchmark-int8", "evaluation-int8")


@pytest.fixture(scope="module")
def host(simulated):
    return simulated


@pytest.fixture(scope="module")
def tell(host):
    """Facts of a job by its number: dispatched, failure, free dies of the host."""
    return lambda job_id: host.stack.call("orders.job_facts", job=job_id, host=NAME)


@pytest.fixture(scope="module")
def gone(host):
    """Jobs of the full model's PyTorch pipeline, all closed."""
    return [host.ended(number) for number in host.pipeline("pytorch", LARGE)]


@pytest.fixture(scope="module")
def served(host, gone):
    """The deployment at the end of this pipeline."""
    (deployment,) = host.deployments()
    return deployment


@pytest.fixture(scope="module")
def idle(host, gone):
    """No deployments; the weights of the full model are there. Their key."""
    host.stop_all()
    return host.asset("Weights", "DeepSeek-R1'")


@pytest.fixture(scope="module")
def built(host, idle):
    """Jobs of a small model's Build_In pipeline; its deployments are stopped."""
    jobs = [host.ended(number) for number in host.pipeline("build-in", SMALL, NEED_EVALSCOPE)]
    host.stop_all()
    return jobs


@pytest.fixture
def break_(host):
    """Make things go wrong until the end of the test."""
    yield host.break_
    host.break_()


def messages(jobs):
    return [(job["kind"], job["state"], job["message"]) for job in jobs]


def test_each_pytorch_job_succeeds_and_keeps_its_log(host, gone):
    assert {job["state"] for job in gone} == {"succeeded"}, messages(gone)
    assert len(gone) == 9
    for job in gone:
        shown, kept = host.log_sha256s(job["id"])
        assert shown == kept == job["log_sha256"]


def test_what_a_simulated_host_measures_is_marked(host, gone):
    results = host.ask("results")["results"]

    assert len(results) >= 4
    assert all(result["simulated"] for result in results)


def test_the_deployed_model_thinks_and_answers(served):
    body = {"model": served["name"], "messages": [{"role": "user", "content": "What is 2 + 2?"}]}
    request = urllib.request.Request(
        f"{served['url']}/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        message = json.load(answer)["choices"][0]["message"]

    # The parser of 0.7.2 splits off no thought whose <think> the chat template has given.
    thought, _, answered = message["content"].partition("</think>")
    assert "Step by step" in thought
    assert "4" in answered


def test_opencompass_scores_a_set_while_the_next_is_asked(host, served, break_):
    break_("second_set_waits")
    chosen = {"datasets": ["cluewsc"], "deployment": str(served["id"])}
    number = host.launch("evaluate-opencompass", **chosen)

    def standing():
        known = host.job(number)["accuracy"]
        return {one["set"]: one for one in known["sets"]} if known else {}

    def is_first_scored():
        first = standing().get("cluewsc-dev")
        return first and first["share"] is not None

    until(is_first_scored, "the first set has its score")
    first, second = standing()["cluewsc-dev"], standing()["cluewsc-test"]
    assert (first["scored"], second["answered"], second["share"]) == (24, 0, None)
    break_()

    job = host.ended(number)
    assert job["state"] == "succeeded", job["message"]
    last = standing()
    assert last["cluewsc-dev"]["share"] == first["share"]
    assert last["cluewsc-test"]["share"] is not None


def vendors_matrix(served):
    """The vendor's matrix of a deployment, of its longest prompts, with one request a cell."""
    preset = WORKLOADS["vendor"]
    return {
        "host": NAME,
        "kind": "benchmark-online",
        "workload": preset.id,
        "params": {"deployment": str(served), "stack": "guide", **preset.params},
        "input_tokens": preset.input_tokens[-4:],
        "output_tokens": preset.output_tokens,
        "concurrency": preset.concurrency,
        "requests": 1,
        "requests_each": False,
    }


def jobs_of(matrix):
    runs = [run for cell in matrix["cells"] for run in cell["runs"] if run["job"]]
    return [run["job"] for run in sorted(runs, key=lambda run: run["place"])]


def figures(matrix, jobs):
    runs = [run for cell in matrix["cells"] for run in cell["runs"]]
    return {run["job"]: run["metrics"] for run in runs if run["job"] in jobs}


def waiting(host, jobs):
    """The job whose benchmark waits while the fault is on; None before."""
    said = b"waits while the fault"
    return next((job for job in jobs if said in host.raw(f"jobs/{job}/log?from=0")), None)


LOAD = {"requests": 4, "output_tokens": 16}


@pytest.mark.parametrize(
    ("fault", "kind", "params", "failure", "text"),
    [
        ("wrong_backend", "benchmark-online", LOAD, "wrong-backend", "openai-chat"),
        ("result_dir_missing", "benchmark-online", LOAD, "result-folder-missing", "Create the"),
        ("opencompass_all_dash", "evaluate-opencompass", {}, "opencompass-api", "Rerun with -r"),
    ],
)
def test_a_fault_at_a_server_leaves_the_server(
    host, tell, served, break_, fault, kind, params, failure, text
):
    break_(fault)

    job = host.ended(host.launch(kind, deployment=str(served["id"]), **params))

    assert job["state"] == "failed"
    assert text in job["message"]
    assert tell(job["id"]) == {"dispatched": True, "failure": failure, "free": 0}
    assert len(host.containers()) == 1


def test_a_server_that_dies_midway_fails_its_benchmark_and_frees_dies(host, tell, served, break_):
    load = {"requests": 2000, "output_tokens": 1024}
    number = host.launch("benchmark-online", deployment=str(served["id"]), **load)
    until(lambda: b"Starting main" in host.raw(f"jobs/{number}/log?from=0"), "requests are sent")
    break_("server_dies_midway")

    job = host.ended(number)

    assert job["state"] == "failed"
    assert tell(number)["dispatched"]
    until(lambda: tell(number)["free"] == DIES, "its dies are free")
    assert not host.containers()
    server = host.ask(f"deployments/{served['id']}")
    assert (server["state"], server["failure"]) == ("failed", "out-of-memory")
    assert "exited with code 1" in server["message"]
    assert "Out of memory" in server["message"]


@pytest.fixture
def long_server(host, idle):
    """A deployment for the vendor's longest prompts; it stops after the test."""
    job = host.ended(host.launch("deploy-vllm", weights=idle, max_length=65536, port=0))
    assert job["state"] == "succeeded", job["message"]
    yield host.deployments()[0]
    host.break_()
    host.stop_all()


def test_a_killed_cell_of_the_vendor_s_matrix_is_measured_again(host, long_server, break_):
    matrix = host.ask("matrices", vendors_matrix(long_server["id"]))
    address = f"matrices/{matrix['id']}"
    first = jobs_of(matrix)
    assert (len(first), matrix["counts"]["skipped"]) == (8, 16)
    assert host.ended(first[0])["state"] == "succeeded"
    break_("benchmark_waits")
    killed = until(lambda: waiting(host, first), "a cell waits with its requests")
    place = first.index(killed)
    done = host.ask(address)

    launcher = json.loads((host.spool(killed) / "launcher.json").read_text())
    os.kill(launcher["pid"], signal.SIGKILL)

    assert host.ended(killed)["state"] == "lost"
    break_()
    until(lambda: host.ask(address)["state"] == "done", "all cells are measured")
    whole = host.ask(address)
    assert (whole["counts"]["done"], whole["counts"]["skipped"]) == (8, 16)
    # Cells measured before keep their jobs and numbers; only the killed one has another job.
    assert figures(whole, first[:place]) == figures(done, first[:place])
    assert [job for job in first if job not in jobs_of(whole)] == [killed]
    again = host.job(jobs_of(whole)[place])
    assert (again["retry_of"], again["state"]) == (killed, "succeeded")
    assert again["plan"] == host.job(killed)["plan"]


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("docker_down", "systemctl start docker"),
        ("image_missing", "Run “Build images” first"),
        ("iommu_on", "iommu=off"),
    ],
)
def test_what_can_be_seen_before_fails_before(host, tell, idle, break_, fault, text):
    break_(fault)

    job = host.ended(host.launch("benchmark-latency", weights=idle))

    break_()
    assert job["state"] == "failed"
    assert job["message_id"].startswith("check:")
    assert text in job["message"]
    assert tell(job["id"]) == {"dispatched": False, "failure": "", "free": DIES}
    assert not host.containers()


@pytest.mark.parametrize(
    ("fault", "kind", "params", "failure", "text"),
    [
        ("missing_shard", "prepare-weights", {"model": f"{SMALL[:-4]}7b"}, "shard-missing", "Prep"),
        ("disk_full", "prepare-weights", {"model": f"{SMALL[:-4]}14b"}, "disk-full", "Free space"),
        ("gated_repo", "prepare-weights", {"model": f"{SMALL[:-4]}32b"}, "repo-gated", "token"),
        ("oom", "deploy-vllm", {"port": 0}, "out-of-memory", "more memory"),
        ("kv_too_small", "deploy-vllm", {"port": 0}, "cache-too-small", "Lower --max-model-len"),
        ("port_busy", "deploy-vllm", {"port": 0}, "port-in-use", "another port"),
        ("die_vanished", "deploy-vllm", {"port": 0}, "die-missing", "/dev/vacc"),
        ("oom", "benchmark-latency", {}, "out-of-memory", "more memory"),
        ("die_vanished", "benchmark-latency", {}, "die-missing", "/dev/vacc"),
        ("exit0_no_result", "benchmark-latency", {}, "no-result", "Read the end of the log"),
    ],
)
def test_a_fault_is_named_and_leaves_nothing(
    host, tell, idle, break_, fault, kind, params, failure, text
):
    break_(fault)
    weights = {} if kind == "prepare-weights" else {"weights": idle}

    job = host.ended(host.launch(kind, **weights, **params))

    break_()
    assert job["state"] == "failed"
    assert text in job["message"]
    # A die that was away at the agent's look is reported again after the next one, 60 s later.
    until(lambda: tell(job["id"])["free"] == DIES, "its dies are free and there again")
    assert tell(job["id"]) == {"dispatched": True, "failure": failure, "free": DIES}
    until(lambda: not host.containers(), "its container is gone")


def test_an_archive_that_was_not_unpacked_is_missed(host, idle, break_):
    shutil.rmtree(host.folder / "workspace" / "opencompass" / "data")
    break_("zip_not_unpacked")

    job = host.ended(host.launch("prepare-datasets", dataset="opencompass"))

    assert job["state"] == "failed"
    assert job["failure"] == "dataset-folder-missing"
    assert "an archive was not unpacked" in job["message"]
    break_()
    assert (
        host.ended(host.launch("prepare-datasets", dataset="opencompass"))["state"] == "succeeded"
    )


def test_a_stalled_download_is_marked_and_not_ended(host, idle, break_):
    weights = {"kind": "prepare-weights", "model": f"{SMALL[:-4]}7b"}
    break_("download_stalls")

    number = host.launch(**weights)
    until(lambda: "Stalled: no output for" in host.job(number)["message"], "it is called silent")

    job = host.job(number)
    assert job["state"] == "running"
    assert "Otherwise cancel and retry: downloaded data is kept" in job["message"]
    host.ask(f"jobs/{number}/cancel", {})
    assert host.ended(number)["state"] == "cancelled"
    break_()
    assert host.ended(host.launch(**weights))["state"] == "succeeded"


def test_each_build_in_job_up_to_its_deployment_succeeds(host, built):
    assert {job["state"] for job in built} == {"succeeded"}, messages(built)
    assert {"compile-vacc", "deploy-build-in"} <= {job["kind"] for job in built}
    for job in built:
        shown, kept = host.log_sha256s(job["id"])
        assert shown == kept == job["log_sha256"]


@pytest.mark.parametrize(
    ("fault", "failure", "text"),
    [
        ("compile_error", "compiler-refused", "send this log to the vendor"),
        ("config_mismatch", "modification-mismatched", "Apply VACC patch"),
        ("exit0_no_result", "compiled-nothing", "No artifact was registered"),
    ],
)
def test_a_compiler_that_makes_nothing_says_why(host, tell, built, break_, fault, failure, text):
    break_(fault)
    compiled = next(job["params"] for job in built if job["kind"] == "compile-vacc")

    job = host.ended(host.launch("compile-vacc", **{**compiled, "name": fault.replace("_", "-")}))

    assert job["state"] == "failed"
    assert text in job["message"]
    assert tell(job["id"]) == {"dispatched": True, "failure": failure, "free": DIES}
