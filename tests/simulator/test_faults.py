"""Each fault goes wrong where it says, in the words of the tool, and only while it is asked for."""

import pytest

from tests.simulator.host import Host, config, configured, get, modify, post
from tests.simulator.vllm import CHAT, NEW, OLD, QWEN, metric, of_port, serving
from tests.stack import free_port
from tests.waiting import until

REPO = f"deepseek-ai/{QWEN}"
R1 = "DeepSeek-R1"


def start(host: Host, version: str, *more: str, model: str = QWEN):
    """``vllm serve`` to its end, which a fault must bring."""
    return host.run(
        *("vllm", "serve", str(host.weights(model)), "--host", "127.0.0.1"),
        *("--port", str(free_port()), "--max-model-len", "8192", *more),
        env={"STANDIN_VLLM_VERSION": version},
    )


def bench(host: Host, docker_script, url: str, *more: str):
    return docker_script(
        *("benchmark_serving.py", *CHAT, *of_port(url), "--dataset-name", "random"),
        *("--random-input-len", "16", "--random-output-len", "8", "--num-prompts", "3"),
        *("--model", str(host.weights(QWEN)), "--served-model-name", "m", "--save-result", *more),
    )


STARTS = {
    "port_busy": (OLD, QWEN, (), 1, "OSError: [Errno 98] Address already in use\n"),
    "iommu_on": (OLD, QWEN, (), 1, "Error! IOMMU is enable, please close IOMMU first\n"),
    "oom": (OLD, R1, ("--tensor-parallel-size", "32"), -9, " died, exit code: -9"),
    "die_vanished": (
        *(NEW, "DeepSeek-R1-Distill-Qwen-7B", ("--tensor-parallel-size", "8"), 1),
        "RuntimeError: VACC device /dev/vacc4 is not available",
    ),
}


@pytest.mark.parametrize("fault", STARTS)
def test_a_fault_ends_the_start_of_a_server(host, fault):
    version, model, more, code, message = STARTS[fault]
    host.faults(fault)

    done = start(host, version, *more, model=model)

    assert (done.returncode, message in done.stdout + done.stderr) == (code, True)
    assert (host.root / "dev/vacc4").exists() is (fault != "die_vanished")


def test_faults_are_named_by_a_file_or_by_the_environment_and_unknown_ones_change_nothing(host):
    shown = host.run("dmesg", env={"STANDIN_FAULTS": "iommu_on,oom"}).stdout
    host.faults("iommu_on")
    filed = host.run("dmesg").stdout
    host.faults("frobnicate")
    unknown = host.run("dmesg")

    assert "iommu is enable" in shown
    assert "iommu is enable" in filed
    assert (unknown.returncode, "iommu is enable" in unknown.stdout) == (0, False)


def test_missing_shard(host):
    host.faults("missing_shard")
    folder = host.workspace / "weights" / R1
    host.run("hf", "download", f"deepseek-ai/{R1}", "--local-dir", str(folder))
    host.faults()

    done = start(host, OLD, "--tensor-parallel-size", "32", model=R1)

    assert len(list(folder.glob("*.safetensors"))) == 162
    assert done.returncode == 1
    assert "Following weights were not initialized from checkpoint: " in done.stderr
    assert "model-00082-of-000163.safetensors not found" in done.stderr


def test_wrong_backend(host, docker_script):
    with serving(host, OLD) as (url, _):
        host.faults("wrong_backend")
        done = bench(host, docker_script, url)

    assert done.returncode == 1
    assert done.stderr.endswith("correctly specified. Error: Bad Request\n")


def test_oom_in_a_container_is_137(docker_host):
    docker_host.weights(R1)
    docker_host.faults("oom")

    done = docker_host.run(
        *("docker", "run", "--privileged", "--network", "host", "--rm"),
        *("-v", f"{docker_host.workspace}:/test", "vllm_vacc", "vllm", "serve"),
        *("/test/weights/DeepSeek-R1", "--tensor-parallel-size", "32", "--port", str(free_port())),
    )

    assert done.returncode == 137


def test_a_vanished_die_comes_back_without_its_fault(docker_host):
    die = docker_host.root / "dev/vacc4"
    die.unlink()

    until(die.exists)


def test_zip_not_unpacked(host):
    host.run("wget", "-q", "http://opencompass.oss-cn-shanghai.aliyuncs.com/datasets/data/math.zip")
    host.faults("zip_not_unpacked")

    done = host.run("unzip", "-o", "math.zip", "-d", "data")

    assert (done.returncode, done.stdout) == (0, "Archive:  math.zip\n")
    assert not (host.workspace / "data").exists()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("compile_error", "TVMError: Check failed: "),
        ("config_mismatch", "size mismatch: hidden_size"),
    ],
)
def test_a_fault_ends_a_compilation(host, fault, message):
    modify(host)
    host.faults(fault)

    done = host.run("vamc", "compile", config(host))

    assert (done.returncode, message in done.stderr) == (1, True)


def test_exit0_no_result(host, docker_script):
    modify(host)
    host.faults("exit0_no_result")

    compiled = host.run("vamc", "compile", config(host))

    assert compiled.returncode == 0
    assert not (host.workspace / "vacc_deploy").exists()
    host.faults()
    with serving(host, NEW) as (url, _):
        host.faults("exit0_no_result")
        done = host.run(
            *("vllm", "bench", "serve", *of_port(url), "--model", str(host.weights(QWEN))),
            *("--served-model-name", "m", "--num-prompts", "2", "--random-input-len", "16"),
            *("--random-output-len", "8", "--save-result", "--result-filename", "r.json"),
            env={"STANDIN_VLLM_VERSION": NEW},
        )
    assert done.returncode == 0
    assert "Successful requests:                     0" in done.stdout
    assert not (host.workspace / "r.json").exists()


def test_opencompass_all_dash(prepared):
    with serving(prepared, OLD) as (url, _):
        prepared.faults("opencompass_all_dash")
        done = prepared.run("opencompass", configured(prepared, url))

    assert done.returncode == 0
    assert "| cluewsc-dev | - | - | - | - |\n" in done.stdout


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("hf", "download", REPO, "--local-dir", "w"),
            "OSError: [Errno 28] No space left on device",
        ),
        (("hfd.sh", REPO, "--local-dir", "w"), "Download encountered errors."),
        (
            ("modelscope", "download", "--model", REPO, "--local_dir", "w"),
            "No space left on device",
        ),
        (("conda", "create", "-n", "x", "-y"), "No space left on device"),
    ],
)
def test_disk_full(host, argv, message):
    host.faults("disk_full")

    done = host.run(*argv)

    assert done.returncode != 0
    assert message in done.stdout + done.stderr


def test_docker_down_and_image_missing(docker_host):
    docker_host.faults("image_missing")
    asked = docker_host.run("docker", "image", "inspect", "vllm_vacc")
    run = docker_host.run("docker", "run", "-d", "vllm_vacc", "sleep", "1")
    assert asked.stderr == "Error response from daemon: No such image: vllm_vacc:latest\n"
    assert (run.returncode, "pull access denied for vllm_vacc" in run.stderr) == (125, True)

    docker_host.faults("docker_down")
    assert docker_host.run("docker", "ps").returncode == 1
    assert docker_host.run("docker", "run", "-d", "vllm_vacc").returncode == 125
    docker_host.faults()
    assert docker_host.run("docker", "ps").returncode == 0


def test_kv_too_small(host):
    host.faults("kv_too_small")

    old, new = start(host, OLD), start(host, NEW)

    message = "The model's max seq len (8192) is larger than the maximum number of tokens"
    assert message in old.stderr
    assert "the estimated maximum model length is 4096." in new.stdout
    assert (old.returncode, new.returncode) == (1, 1)


def test_download_stalls(host):
    host.faults("download_stalls")
    with host.started("hf", "download", REPO, "--local-dir", "w") as download:
        part = host.workspace / "w/.cache/huggingface/download"
        until(lambda: [path for path in part.glob("*.incomplete") if path.stat().st_size > 1000])

        assert download.popen.poll() is None


def test_server_dies_midway(host):
    with serving(host, NEW) as (url, server):
        host.faults("server_dies_midway")
        body = {"model": "m", "prompt": "Hello", "max_tokens": 4}
        for _ in range(20):
            post(f"{url}/v1/completions", body)
        code = server.wait()
        text = server.text

    assert code == 1
    assert "EngineCore encountered a fatal error." in text
    assert get(f"{url}/health")[0] == 0


def test_result_dir_missing(host, docker_script):
    (host.workspace / "there").mkdir()
    with serving(host, OLD) as (url, _):
        host.faults("result_dir_missing")
        more = ("--result-dir", "there", "--result-filename", "r.json")
        done = bench(host, docker_script, url, *more)

    assert done.returncode == 1
    assert done.stderr.endswith(
        "FileNotFoundError: [Errno 2] No such file or directory: 'there/r.json'\n"
    )
    assert "Successful requests:                     3" in done.stdout


def test_slow_die(host):
    """A token takes four times as long: counted in the made-up world's own time."""
    body = {"model": "m", "prompt": "Hello", "max_tokens": 200, "ignore_eos": True}
    with serving(host, NEW, STANDIN_SPEED="20") as (url, _):
        quick = _asked(url, body)
        host.faults("slow_die")
        until(lambda: "" if _asked(url, body) < 2.5 * quick else "slow")
        listed = host.run("vasmi", "gettemp", "-d", "3").stdout

    assert listed == "device 3: temperature: 96.40 C\n"


def _asked(url: str, body: dict[str, object]) -> float:
    """Mean time between the tokens of one more request."""

    def now() -> tuple[float, float]:
        text, key = get(f"{url}/metrics")[1], "vllm:inter_token_latency_seconds"
        return metric(text, f"{key}_sum"), metric(text, f"{key}_count")

    before = now()
    post(f"{url}/v1/completions", body)
    after = now()
    return (after[0] - before[0]) / (after[1] - before[1])
