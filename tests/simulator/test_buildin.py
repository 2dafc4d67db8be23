"""vamc makes the known checks, and both servers serve its output."""

import json
import shutil
import urllib.request

import pytest
import yaml

from tests.simulator.conftest import MESSAGES
from tests.simulator.host import NAME, Host, config, events, get, modify, post
from tests.stack import free_port
from tests.waiting import PATIENCE_S, until


def last(host: Host, path: str, **env: str) -> tuple[int, str]:
    done = host.run("vamc", "compile", path, env=env)
    return done.returncode, (done.stderr.splitlines() or [""])[-1]


@pytest.mark.parametrize("block", [True, False], ids=["flow", "block"])
def test_a_compile_makes_a_module_for_each_rank_and_phase(host, block):
    modify(host)

    done = host.run("vamc", "compile", config(host, block=block))

    folder = host.workspace / "vacc_deploy" / NAME
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("quantize [") == 28
    assert {path.name for path in folder.glob("prefill_1024_rank*")} == {
        f"prefill_1024_rank{rank}" for rank in range(4)
    }
    assert (folder / "tokenizer/tokenizer_config.json").is_file()
    assert json.loads((folder / f"{NAME}_module_info.json").read_text())["note"] == "simulated"


def test_the_sample_of_the_modification_fits_no_model(host):
    folder = modify(host)
    shutil.copy(host.workspace / "build_in/source_code/config_vacc.json", folder)

    code, line = last(host, config(host))

    assert code == 1
    assert "size mismatch: hidden_size is 5120 in config_vacc.json and 3584" in line


def test_a_missing_modification_stops_it(host):
    host.weights()

    assert "modeling_qwen2_vacc.py, configuration_qwen2_vacc.py" in last(host, config(host))[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"shape": {"input_ids": [[1000], [2048]]}}, "must be multiples of 16"),
        ({"shape": {"input_ids": [[4096], [2048]]}}, "prefill 4096 is larger than max 2048"),
        (
            {"model_kwargs": {"tp": 8, "model_arch": "vacc"}},
            "num_key_value_heads 4 cannot be divided by tp 8: set align_qkv",
        ),
        ({"quantize": {}}, "frontend.quantize.type is not set"),
        ({"checkpoint": "/nowhere"}, "no config.json in /nowhere"),
    ],
)
def test_what_cannot_be_compiled_is_refused(host, more, message):
    modify(host)

    code, text = last(host, config(host, **more))

    assert (code, message in text) == (1, True), text


def test_a_large_model_wants_more_stack(host):
    folder = host.weights("DeepSeek-R1-Distill-Llama-70B")
    path = config(host, checkpoint=str(folder), model_kwargs={"tp": 8})

    assert "VACC_STACK_SIZE=256" in last(host, path)[1]
    assert last(host, path, VACC_STACK_SIZE="256")[0] == 0


def test_vamc_takes_no_other_arguments(host):
    done = host.run("vamc", "compile", "x.yaml", "--output", "y")

    assert done.returncode == 2
    assert done.stderr.endswith("vamc: error: unrecognized arguments: --output y\n")


@pytest.fixture(scope="module")
def compiled(shared: Host) -> Host:
    modify(shared)
    assert shared.run("vamc", "compile", config(shared)).returncode == 0
    return shared


def test_vastgenx_serves_what_was_compiled(compiled):
    port = free_port()
    argv = ("--host", "127.0.0.1", "--port", str(port), "--llm_devices", "[0,1,2,3]")
    url = f"http://127.0.0.1:{port}"
    with compiled.started("vastgenx", "serve", "--model", f"vacc_deploy/{NAME}", *argv):
        until(lambda: get(f"{url}/v1/models")[0] == 200)
        model = json.loads(get(f"{url}/v1/models")[1])["data"][0]
        body = {"model": NAME, "messages": MESSAGES, "stream": True}
        body["stream_options"] = {"include_usage": True}
        chunks = events(post(f"{url}/v1/chat/completions", body)[1])
        long = [{"role": "user", "content": "word " * 2000}]
        refused = post(f"{url}/v1/chat/completions", {"messages": long})
        health = get(f"{url}/health")[0]

    assert (model["id"], model["tp"]) == (NAME, 4)
    assert all(chunk["token_timestamps"] for chunk in chunks if chunk["choices"])
    assert chunks[-1]["usage"]["completion_tokens"] == len(chunks) - 1
    assert (refused[0], health) == (400, 404)
    assert "exceeds max input length 1024" in refused[1]


def test_llmdeploy_streams_bare_lines_of_json(compiled):
    port = free_port()
    settings = {
        "model": {
            "model_name": "x",
            "batch_size": 4,
            "model_deploy_config": f"vacc_deploy/{NAME}-none-dynamic-vacc/{NAME}_deploy.json",
            "model_infer_type": "tp",
            "tp_device_ids_list": [[4, 5, 6, 7]],
        },
        "api": {"server_host": "127.0.0.1", "server_port": port},
    }
    (compiled.workspace / "d.yaml").write_text(yaml.safe_dump(settings))
    url = f"http://127.0.0.1:{port}"
    with compiled.started("llmdeploy", "api", "d.yaml"):
        until(lambda: get(f"{url}/v1/models")[0] == 200)
        text = post(f"{url}/v1/chat/completions", {"messages": MESSAGES, "stream": True})[1]
        refused = json.loads(post(f"{url}/v1/chat/completions", {})[1])
        last = urllib.request.Request(f"{url}/v1/models", headers={"Connection": "close"})
        with urllib.request.urlopen(last, timeout=PATIENCE_S) as answer:
            connection = answer.headers["Connection"]

    chunks = [json.loads(line) for line in text.splitlines()]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert (refused["code"], refused["msg"]) == (400, "messages is required")
    assert connection == "close"  # without it a client sends its next request there


def test_a_die_that_is_not_there_stops_the_server(compiled):
    die = compiled.root / "dev/vacc2"
    die.rename(compiled.folder / "vacc2")

    done = compiled.run("vastgenx", "serve", "--model", f"vacc_deploy/{NAME}", "--port", "1")

    (compiled.folder / "vacc2").rename(die)

    assert done.returncode == 1
    assert done.stderr == "RuntimeError: open /dev/vacc2 failed: No such file or directory\n"
