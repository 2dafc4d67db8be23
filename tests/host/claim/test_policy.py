"""A host's own policy: it runs only permitted commands, whatever its dashboard sends."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.base.errors import LaunchError
from jobs.host.base.spool import Spool
from jobs.host.claim import claim
from jobs.host.claim.policy import commands_of, policy_of
from jobs.kinds import KINDS
from jobs.kinds.lib.guide import plan_for
from jobs.plans import Plan, PlanFile, Step, Watch
from tests.host.conftest import record_of
from tests.jobs.lib.target import PARAMS, VALUES, here
from tests.jobs.lib.vacc_target import VACC_PARAMS, vacc_host, vacc_values
from tests.waiting import until


@pytest.fixture
def strict(config, tmp_path):
    """A host with a workspace, and the default policy."""
    workspace = tmp_path / "nfs"
    workspace.mkdir()
    return replace(config, workspace=workspace, allowed_programs=())


def refused(config, *argv, **step):
    """The sentence that refuses a command, and what fills it; None: it may run."""
    plan = Plan("x", (Step("only", argv, **step),))
    refusal = policy_of(config).refusal(plan, {"job_dir": "x"}, config.dir / "spool/1/work")
    return None if refusal is None else (refusal.message_id, dict(refusal.args))


@pytest.mark.processes
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (Step("only", ("sh", "-c", "touch {job_dir}/work/ran")), "policy:program"),
        (Step("only", ("python3", "-c", "open('ran', 'w')", "/etc/shadow")), "policy:root"),
    ],
)
def test_a_forbidden_command_ends_the_job_before_anything_runs(
    step, message, intake, strict, client
):
    intake.jobs[7] = record_of(step)

    claim.claim_job(strict, client, 7)

    spool = Spool(strict.dir / "spool" / "7")
    ended = until(spool.exit)
    assert (ended["verdict"], ended["message_id"]) == ("failed", message)
    assert not spool.is_running()
    assert [event["type"] for event in spool.read_events()] == ["ended"]
    assert list(spool.work.iterdir()) == []


@pytest.mark.processes
def test_what_is_permitted_runs_through_the_real_launcher(intake, strict, client):
    run = Step("only", ("python3", "-c", "print('ran')"), cwd=str(strict.workspace))
    intake.jobs[7] = record_of(run)

    claim.claim_job(strict, client, 7)

    spool = Spool(strict.dir / "spool" / "7")
    assert until(spool.exit)["verdict"] == "succeeded"
    assert spool.log.read_text() == "ran\n"


def test_working_folder_and_cleanup_of_a_step_must_be_permitted_too(strict):
    assert refused(strict, "git", "status", cwd="/etc")[0] == "policy:root"
    assert refused(strict, "git", "status", cleanup=("rm", "-rf", "/"))[0] == "policy:program"


def test_a_link_out_of_the_roots_is_followed_and_named(strict, tmp_path):
    (tmp_path / "big").mkdir()
    (strict.workspace / "weights").symlink_to(tmp_path / "big")
    path = f"{strict.workspace}/weights/R1"

    refusal = refused(strict, "hf", "download", "--local-dir", path)

    args = {"path": path, "leads_to": str(tmp_path / "big/R1"), "step": "only"}
    assert refusal == ("policy:root", args)
    permitted = replace(strict, allowed_paths=("default", str(tmp_path / "big")))
    assert refused(permitted, "hf", "download", "--local-dir", path) is None


@pytest.mark.parametrize(
    "argv",
    [
        ("hf", "download", "--local-dir=/etc"),
        ("unzip", "x.zip", "-d", "../../../../../../../../../etc"),
        ("git", "clone", "x", "{job_dir}/../../../../../../../../../../../../etc"),
        ("docker", "run", "-v", "/:/test", "image"),
        ("docker", "run", "--volume=/etc:/test", "image"),
        ("docker", "run", "--mount", "type=bind,src=/etc,dst=/test", "image"),
        ("docker", "cp", "box:/etc/passwd", "/etc/passwd"),
        ("docker", "build", "/"),
        ("docker", "run", "-v/etc:/x", "image"),
        ("docker", "run", "-v=/etc:/x", "image"),
        ("docker", "run", "-itv", "/etc:/x", "image"),
        ("docker", "run", "-ditv/etc:/x", "image"),
        ("docker", "run", "--rm", "--name", "x", "-e", "A=1", "-v", "/etc:/x", "image"),
        ("docker", "container", "run", "-v", "/etc:/x", "image"),
        ("docker", "create", "--mount=type=bind,source=/etc,target=/x", "image"),
        ("docker", "run", "--mount", 'type=BIND,"source=/etc",target=/x', "image"),
        ("docker", "run", "--mount", "type=volume,dst=/x,volume-opt=device=/etc", "image"),
        ("docker", "run", "--env-file", "/etc/passwd", "image"),
        ("docker", "exec", "--env-file=/etc/passwd", "box", "env"),
        ("docker", "run", "--device", "/dev/sda", "image"),
        ("docker", "run", "--device=/dev/vacc0/../sda:/dev/vacc0", "image"),
        ("docker", "run", "--security-opt", "seccomp=/etc/x", "image"),
        ("docker", "load", "-i", "/etc/x"),
        ("docker", "load", "-qi/etc/x"),
        ("docker", "image", "save", "--output=/etc/x", "image"),
        ("docker", "build", "--file=/etc/Dockerfile", "."),
        ("docker", "build", "--secret", "id=x,src=/etc/passwd", "."),
        ("docker", "volume", "create", "-o", "device=/etc", "x"),
        ("docker", "--log-level", "info", "cp", "box:/x", "/etc/passwd"),
        ("docker", "-l", "info", "run", "-v", "/etc:/x", "image"),
        ("docker", "-D", "run", "-v", "/etc:/x", "image"),
        ("docker", "--config", "/etc", "pull", "image"),
        ("docker", "cp", "/etc:x/y", "box:/x"),
        ("wget", "-o/etc/passwd", "x"),
        ("wget", "-qO/etc/passwd", "x"),
        ("wget", "-O../../../../../../../../../etc/x", "x"),
        ("git", "clone", "file:///etc/passwd"),
        ("git", "clone", "--reference=file:///etc", "x"),
        ("pip", "install", "git+file:///etc/x", "x @ FILE://localhost/%65tc/x"),
        ("pip", "install", "file:/etc/x#egg=x"),
        ("git", "clone", "/etc/x://y"),
    ],
)
def test_no_path_leads_out_of_the_roots(strict, argv):
    refusal = refused(strict, *argv)

    assert refusal is not None
    assert refusal[0] == "policy:root"


def test_paths_are_resolved_from_the_steps_own_folder(strict):
    refusal = refused(strict, "unzip", "x", "-d", "../beside", cwd=str(strict.workspace))

    assert refusal[1]["leads_to"] == str(strict.workspace.parent / "beside")


def test_container_paths_and_addresses_are_not_host_paths(strict):
    mount = f"{strict.workspace}:/test"

    assert refused(strict, "docker", "run", "-v", mount, "image", "ls", "/etc") is None
    assert refused(strict, "docker", "run", "-dit", "image", "x", "-v", "/etc:/x") is None
    assert refused(strict, "docker", "exec", "-w", "/workspace", "box", "cat", "/etc/x") is None
    assert refused(strict, "wget", "https://hf-mirror.com/a/../b") is None
    assert refused(strict, sys.executable, "x/wait_ready.py", "--health", "/v1/a") is None
    assert refused(strict, "vllm", "bench", "serve", "--endpoint", "/v1/chat/completions") is None
    assert refused(strict, "vllm", "bench", "serve", "--endpoint=/v1/completions") is None


@pytest.mark.parametrize(
    "argv",
    [
        ("run", "--mount", "type=volume,source=vol,target=/x", "image"),
        ("run", "--mount=type=volume,source=vol,target=/x", "image"),
        ("run", "--mount", "type=tmpfs,target=/x", "image"),
        ("run", "--mount", "source=vol,target=/x", "image"),
        ("run", "--mount", "type=bind,source={job_dir}/work,target=/x", "image"),
        ("run", "-v", "vol:/x", "image"),
        ("run", "--device", "/dev/vacc0", "--device=/dev/vacc12:/dev/vacc0:rwm", "image"),
        ("run", "--env-file", "{job_dir}/work/env", "-e", "DATA=/etc", "-w", "/x", "image"),
        ("build", "-f", "docker/Dockerfile", "-t", "x", "--build-arg", "DATA=/x", "."),
        ("load", "-i", "{job_dir}/work/image.tar"),
        ("--log-level", "info", "pull", "registry.lan:5000/x/y:1"),
        ("build", "https://github.com/x/y.git"),
        ("cp", "box:/etc/../x", "x"),
    ],
)
def test_docker_may_get_paths_in_the_roots_and_non_paths(strict, argv):
    at = [word.format(job_dir=f"{strict.dir}/spool/1") for word in argv]
    assert refused(strict, "docker", *at) is None


@pytest.mark.parametrize(
    "argv",
    [
        ("evalscope", "perf", "--model"),
        ("python3", "{job_dir}/files/ask_and_score.py", "eval", "--model"),
        ("python3", "{job_dir}/files/wait_ready.py", "http://127.0.0.1:1", "--model"),
        ("vllm", "bench", "serve", "--served-model-name"),
        ("python3", "benchmark_serving.py", "--served-model-name"),
    ],
)
def test_a_deployments_name_may_be_its_folder_in_the_container(strict, argv):
    assert refused(strict, *argv, "/test/weights/DeepSeek-R1") is None


@pytest.mark.parametrize(
    "argv",
    [
        ("vllm", "bench", "serve", "--model"),
        ("vllm", "bench", "throughput", "--model"),
        ("python3", "benchmark_serving.py", "--model"),
        ("python3", "llama_serve.py", "--model"),
        # Not the program, but an argument of that name.
        ("vllm", "serve", "x", "evalscope", "--model"),
    ],
)
def test_a_model_that_is_loaded_is_a_path_of_the_host(strict, argv):
    assert refused(strict, *argv, "/etc/weights")[0] == "policy:root"
    assert refused(strict, *argv, f"{strict.workspace}/weights") is None


def test_a_program_is_permitted_by_name_in_host_folders_only(strict):
    assert refused(strict, f"{strict.dir}/environments/x/bin/python", "-V") is None
    assert refused(strict, f"{strict.dir}/environments/x/bin/sh") is not None
    assert refused(strict, "/tmp/python") is not None
    added = replace(strict, allowed_programs=("default", "nvcc"))
    assert refused(strict, "nvcc") == ("policy:program", {"program": "nvcc", "step": "only"})
    assert refused(added, "nvcc") is None
    assert refused(added, "git") is None
    assert refused(replace(strict, allowed_programs=("nvcc",)), "git") is not None


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (("LD_PRELOAD", "x.so"), "policy:variable"),
        (("PYTHONPATH", "."), "policy:variable"),
        (("DATA", "/etc"), "policy:root"),
        (("DATA", "here:/etc"), "policy:root"),
        (("DATA", "file:///etc/passwd"), "policy:root"),
        (("DATA", "file://localhost/etc/passwd"), "policy:root"),
        (("DATA", "/etc:https://hf-mirror.com"), "policy:root"),
    ],
)
def test_an_environment_leads_out_no_more_than_arguments(strict, env, message):
    assert refused(strict, "git", "status", env=(env,))[0] == message


def test_an_address_in_an_environment_is_no_path(strict):
    for value in ("https://hf-mirror.com", "http://127.0.0.1:8000/v1", "x,http://[::1]:80/a"):
        assert refused(strict, "hf", "x", env=(("HF_ENDPOINT", value),)) is None


@pytest.mark.parametrize(
    "part",
    [
        {"files": (PlanFile("a.txt", "x", at="/etc/x"),)},
        {"watches": (Watch("a", reader="evalscope", folder="/etc/x"),)},
        {"steps": (Step("a", ("git",), path=("/etc/x",)),)},
    ],
)
def test_files_watches_and_paths_of_programs_must_be_in_the_roots_too(strict, part):
    plan = Plan("x", **{"steps": (Step("a", ("git",)),), **part})

    refusal = policy_of(strict).refusal(plan, {}, strict.dir)

    assert (refusal.message_id, refusal.args["path"]) == ("policy:root", "/etc/x")


def test_the_default_permits_every_command_of_the_guide(strict, monkeypatch):
    monkeypatch.setattr("jobs.host.probe.conda_prefix", lambda: "/root/miniconda3")
    policy = policy_of(replace(strict, allowed_paths=("/nfs/workspace", "/root/miniconda3")))
    count, refusals = 0, []
    for name, kind in KINDS.items():
        if "as_in_guide" not in kind.Params.model_fields:
            continue
        for stack in ("guide", "current"):
            for exact in (False, True):
                for model in ("deepseek-r1", "deepseek-r1-distill-qwen-7b"):
                    given = {"stack": stack, "as_in_guide": exact, "model": model}
                    try:
                        made = plan_for(kind, given={}, **given)
                    except LaunchError:  # not of this model or stack
                        continue
                    count += 1
                    values = {**made.values, "job_dir": "/nfs/workspace/spool/1"}
                    refusal = policy.refusal(made.plan, values, Path("/nfs/workspace/spool/1/work"))
                    if refusal is not None:
                        refusals.append((name, stack, refusal))
    assert refusals == []
    assert count > 30


def named(params):
    return [pytest.param(*one, id=f"{one[0]}-{index}") for index, one in enumerate(params)]


@pytest.mark.parametrize(("kind", "raw"), named(PARAMS))
def test_the_default_permits_every_kind_on_this_computer(strict, monkeypatch, kind, raw):
    monkeypatch.setattr("sys.executable", here().facts["python"]["path"])
    policy = policy_of(replace(strict, allowed_paths=("/data/host", "/data/a {b} host")))

    plan = KINDS[kind].plan(KINDS[kind].Params(**raw), here())

    assert policy.refusal(plan, VALUES, Path(VALUES["job_dir"]) / "work") is None
    # Such a python is a link to a file outside of the host's folders.
    commands = [argv for step in plan.steps for argv in commands_of(step.argv)]
    words = [word for argv in commands for word in argv[1:]]
    assert not [word for word in words if word.endswith(("/bin/python", "/bin/python3"))]


@pytest.mark.parametrize(("kind", "raw"), named(VACC_PARAMS))
def test_the_default_permits_every_kind_on_a_host_with_cards(strict, monkeypatch, kind, raw):
    host = vacc_host()
    monkeypatch.setattr("sys.executable", host.facts["python"]["path"])
    policy = policy_of(replace(strict, allowed_paths=("/nfs", "/data", host.facts["conda"])))
    # A deployment may be called after its folder in the container.
    values = {**vacc_values(host), "deployment.name": "/test/weights/DeepSeek-R1"}

    plan = KINDS[kind].plan(KINDS[kind].Params(**raw), host)

    assert policy.refusal(plan, values, Path(values["job_dir"]) / "work") is None


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (("sh", "-c", "true"), "policy:program"),
        (("docker", "run", "-v", "/etc:/x", "image"), "policy:root"),
        (("python3", "x.py", "--to", "/etc/passwd"), "policy:root"),
        ((sys.executable, "x.py", "@load"), None),
        (("docker", "exec", "vllm", "cat", "/etc/passwd"), None),  # a path in a container
    ],
)
def test_the_commands_of_a_search_are_checked_one_by_one(strict, command, refusal):
    first = ("python3", "work/find_limit.py", "{{}}", "--", "python3", "x.py")

    found = refused(strict, *first, "--", *command)

    assert (found and found[0]) == refusal
