"""Build images: the guide's two builds corrected for the host, or a pull; versions inside."""

import pytest

from jobs.access.secrets import Use, uses
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.plans import Step
from jobs.readings import read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import CURRENT, EXACT, vacc_host

KIND = KINDS["build-images"]
SPACE = "/nfs/a {b} space"
NO_AVX512 = vacc_host({"cpu": {"cores": 8, "avx512": False}})
ARM = vacc_host({"arch": "aarch64"})
ID = "sha256:" + "1a" * 32
plans = plans_of(KIND.name)
step, note_ids = plans.step, plans.ids


def test_an_existing_clone_is_used_unless_verbatim():
    assert step("clone", **EXACT).argv[:2] == ("git", "clone")
    assert step("clone").argv[1:] == (
        *("/data/host/spool/17/files/clone_or_fetch.py",),
        *("https://github.com/vllm-project/vllm.git", f"{SPACE}/vllm", "--ref", "v0.7.2"),
    )
    assert "guide:clone_fails" in note_ids(**EXACT)
    assert "guide:clone_there" in note_ids()


def test_a_processor_without_avx512_or_of_arm_gets_a_build_of_its_own():
    argv = step("build-base", NO_AVX512).argv

    assert argv[argv.index("--build-arg") + 1] == "VLLM_CPU_DISABLE_AVX512=true"
    assert "guide:image_noavx" in note_ids(NO_AVX512)
    assert "--build-arg" not in step("build-base").argv
    assert "Dockerfile.arm" in step("build-base", ARM).argv
    assert "guide:image_arm" in note_ids(ARM)


@pytest.mark.parametrize("target", [NO_AVX512, ARM], ids=["no avx512", "arm"])
def test_verbatim_only_notes_the_wrong_processor(target):
    assert step("build-base", target, **EXACT) == step("build-base", **EXACT)
    assert "guide:image_needs_avx512" in note_ids(target, **EXACT)


def test_a_repeat_may_use_docker_s_cache():
    assert "--no-cache" in step("build-base").argv
    assert "--no-cache" not in step("build-vacc", no_cache=False).argv
    assert "--no-cache" in step("build-vacc", no_cache=False, **EXACT).argv


def test_the_vendor_s_folder_may_be_elsewhere_in_the_workspace():
    target = vacc_host({"workspace": "/nfs"})

    assert step("build-vacc", target, folder="/nfs/zoo/docker").cwd == "/nfs/zoo/docker"


@pytest.mark.parametrize(
    ("target", "raw", "image"),
    [
        (vacc_host(), {}, "registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02"),
        (NO_AVX512, {}, "registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02_noavx"),
        (ARM, {}, "registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02_arm"),
        (ARM, {"tag": "ds3_0530_arm"}, "registry.lan:5000/ai_deliver/vllm_vacc:ds3_0530_arm"),
    ],
)
def test_today_s_image_is_pulled_for_the_host_s_processor(target, raw, image):
    assert step("pull", target, **CURRENT, **raw).argv == ("docker", "pull", image)
    assert plans.product(target, **CURRENT, **raw)["path"] == image
    is_other = target in (NO_AVX512, ARM)
    assert ("guide:image_variant" in note_ids(target, **CURRENT, **raw)) == (is_other and not raw)


LOGIN = {"registry_user": "robot$vacc", "registry_password": "REGISTRY"}


def test_a_pull_may_log_in_with_a_secret():
    plan = plans.planned(**CURRENT, **LOGIN)

    (use,) = uses(plan)
    assert use == Use("REGISTRY", "registry", "https://registry.lan:5000")
    pull = plan.steps[0]
    assert pull.argv[1:] == (
        *("{job_dir}/files/pull_image.py", "registry.lan:5000/ai_deliver/vllm_vacc:VVI-26.02"),
        *("--user", "robot$vacc"),
    )
    assert pull.cleanup == (*pull.argv[:2], "--clean")
    assert "guide:registry_login" in note_ids(**CURRENT, **LOGIN)


DOCKER = f"""#!/usr/bin/env python3
import json, sys
if sys.argv[1:3] == ["image", "inspect"]:
    if sys.argv[3] != "vllm_vacc":
        sys.exit("Error: No such image: " + sys.argv[3])
    print(json.dumps([{{"Id": "{ID}", "Size": 12_000_000_000, "Architecture": "amd64",
                       "RepoTags": ["vllm_vacc:latest"], "Created": "2026-11-24T00:00:00Z"}}]))
elif sys.argv[1] == "run":
    print("a warning of the image")
    print(json.dumps({{"python": "3.10.12", "vllm": "0.7.2+cpu", "torch": "2.5.1+cpu"}}))
"""


@pytest.fixture
def host(tmp_path):
    runner = Runner(tmp_path)
    runner.put("docker", DOCKER)
    return runner


def test_an_image_is_registered_by_its_id_with_what_is_in_it(host):
    done = host.step("build-images", {}, "inspect")

    assert done.returncode == 0, done.stderr
    outcome = read_outcome(KIND, KIND.Params(), None, host.outputs())
    assert outcome.product == {
        "path": "vllm_vacc",
        "fingerprint": "1a" * 32,
        "versions": {"python": "3.10.12", "vllm": "0.7.2+cpu", "torch": "2.5.1+cpu"},
        "details": {"bytes": 12_000_000_000, "architecture": "amd64"},
    }
    assert outcome.message == Message(
        "images:made", {"image": "vllm_vacc", "id": "1a" * 6, "size": "12.0 GB"}
    )


def test_an_image_without_versions_is_registered(host):
    host.put("docker", DOCKER.replace('print(json.dumps({"python"', "sys.exit(3)\n    print(({'a'"))

    done = host.step("build-images", {}, "inspect")

    assert done.returncode == 0, done.stderr
    assert host.left("image.json")["versions"] == {}


def test_an_image_that_is_not_there_is_no_success(host):
    done = host.step("build-images", CURRENT, "inspect")

    assert (done.returncode, "docker has no image registry.lan" in done.stderr) == (1, True)


# -- clone_or_fetch.py on real repositories --------------------------------------------------------


@pytest.fixture
def origin(host):
    """A repository with the tag v0.7.2 that stands for vLLM's."""
    folder = host.root / "origin"
    _git(host, "init", "-q", "-b", "main", str(folder))
    (folder / "Dockerfile.cpu").write_text("FROM scratch\n")
    _git(host, "-C", str(folder), "add", ".")
    who = ("-c", "user.name=x", "-c", "user.email=x@example.invalid")
    _git(host, "-C", str(folder), *who, "commit", "-q", "-m", "one")
    _git(host, "-C", str(folder), "tag", "v0.7.2")
    return folder


def _git(host, *args):
    host.work.mkdir(parents=True, exist_ok=True)
    done = host.run(Step("git", ("git", *args)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def cloned(host, origin):
    plan = host.plan("build-images", {})
    (host.root / "a {b} space").mkdir(exist_ok=True)
    clone = next(step for step in plan.steps if step.name == "clone")
    argv = tuple(
        str(origin) if word.startswith("https://github.com") else word for word in clone.argv
    )
    return host.run(Step("clone", argv, cwd=clone.cwd))


def test_a_clone_is_made_once_then_used_and_fetches_a_tag_that_it_lacks(host, origin):
    sources = host.root / "a {b} space/vllm"

    first, second = cloned(host, origin), cloned(host, origin)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert (sources / "Dockerfile.cpu").exists()
    assert "already has v0.7.2" in second.stdout
    _git(host, "-C", str(sources), "tag", "-d", "v0.7.2")
    (sources / "mine.txt").write_text("kept\n")
    done = cloned(host, origin)

    assert done.returncode == 0, done.stderr
    assert "v0.7.2" in _git(host, "-C", str(sources), "tag")
    assert (sources / "mine.txt").exists()


def test_a_folder_that_is_no_clone_is_refused(host, origin):
    sources = host.root / "a {b} space/vllm"
    sources.mkdir(parents=True)
    (sources / "something").write_text("x")

    done = cloned(host, origin)

    assert (done.returncode, "is no clone of anything" in done.stderr) == (1, True)
    assert [path.name for path in sources.iterdir()] == ["something"]
