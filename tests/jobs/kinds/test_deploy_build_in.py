"""Deploy Build_In: llmdeploy and vastgenx with what vamc made."""

import pytest
import yaml

from jobs.kinds import KINDS
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.plan_runner import Runner
from tests.jobs.lib.vacc_target import CURRENT, EXACT, QWEN_7B_NAME, vacc_host

KIND = KINDS["deploy-build-in"]
NAME = f"{QWEN_7B_NAME}-int8-tp4-1024-2048"
FOLDER = f"/nfs/a {{b}} space/vacc_deploy/{NAME}"
plans = plans_of(KIND.name)
planned, note_ids, step = plans.planned, plans.ids, plans.step


def test_vastgenx_gets_the_folder_and_its_own_dies():
    serve = step("serve", **CURRENT)

    assert serve.argv == (
        *("vastgenx", "serve", "--model", FOLDER, "--host", "0.0.0.0", "--port", "9001"),
        *("--batch_size", "16", "--llm_devices", "[4,5,6,7]"),
    )
    assert (serve.serves, serve.health, serve.env) == (True, "/v1/models", ())


def test_llmdeploy_gets_a_file_that_is_filled_at_each_start():
    assert [one.name for one in planned().steps if one.serves] == ["configure", "serve"]
    assert step("configure").argv[-3:] == (
        *("/data/host/serve/4/llmdeploy.yaml", "dies=4,5,6,7", "port=9001"),
    )
    assert step("serve").argv == ("llmdeploy", "api", "/data/host/serve/4/llmdeploy.yaml")


def test_it_leases_the_dies_it_was_compiled_for_and_tries_the_tool_s_port_first():
    plans = (planned(), planned(**CURRENT), planned(port=8123))

    assert [(plan.dies, plan.port) for plan in plans] == [(4, 7863), (4, 9900), (4, 8123)]


def test_a_requested_port_must_be_free_before_anything_runs():
    for stack in ({}, CURRENT):
        looked_for = [dict(one.args) for one in planned(port=8123, **stack).checks]
        assert {"port": "8123"} in looked_for
        # Where the tool's own is taken another one will do.
        assert "port" not in [one.name for one in planned(**stack).checks]


def test_the_folder_is_the_name_in_the_api():
    product = plans.product(**CURRENT)

    assert product["name"] == NAME
    assert step("wait", **CURRENT).argv[-4:-2] == ("--model", NAME)
    details = product["details"]
    assert (details["engine"], details["tp"], details["stack"]) == ("vastgenx", 4, "current")
    assert (details["max_input"], details["max_total"]) == (1024, 2048)
    assert details["tokenizer"] == f"{FOLDER}/tokenizer"
    assert details["bare_stream"] is False
    assert plans.product()["details"]["bare_stream"] is True


def test_another_readiness_path_skips_the_model_check():
    wait = step("wait", ready_path="/docs").argv

    assert wait[wait.index("--health") + 1] == "/docs"
    assert "--model" not in wait


def test_an_artifact_in_the_making_can_be_deployed_after_it():
    plan = planned(artifact="job:18")

    assert plan.dies == 4
    assert KIND.inputs(KIND.Params(artifact="job:18"), vacc_host())["artifact"].job == 18


def test_notes_name_what_the_guide_leaves_to_documentation():
    assert note_ids(**EXACT)[:4] == [
        *("guide:server_in_words", "guide:ports_corrected", "guide:bare_stream", "guide:no_key"),
    ]
    assert note_ids(**CURRENT)[:2] == ["guide:server_in_words", "guide:no_key"]
    assert "limit:reasoning_is_cut" in note_ids()


def test_more_requests_than_documented_are_asked_about():
    assert "limit:batch_size" in note_ids(batch_size=32, **CURRENT)
    assert "limit:batch_size" not in note_ids(**CURRENT)


# -- its programs ----------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path):
    return Runner(tmp_path)


def test_the_filled_file_is_what_llmdeploy_reads_and_one_with_a_gap_starts_nothing(host):
    (host.root / "serve/files").mkdir(parents=True)
    filled = host.root / "serve/llmdeploy.yaml"
    plan = host.plan("deploy-build-in", {"artifact": "3"})

    def configure(port):
        for item in plan.files:
            text = item.text.replace("<port>", port)
            (host.root / "serve/files" / item.name).write_text(text)
        return host.run(plan.steps[1])

    gap = configure("<other>")
    assert (gap.returncode, "has no <port>" in gap.stderr) == (1, True)
    assert not filled.exists()

    done = configure("<port>")
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(filled.read_text())
    assert read["api"] == {"server_host": "0.0.0.0", "server_port": 9001}
    model = read["model"]
    assert (model["tp_device_ids_list"], model["publish_port"]) == ([4, 5, 6, 7], 17810)
    assert model["model_deploy_config"].endswith(f"{NAME}-none-dynamic-vacc/{NAME}_deploy.json")


@pytest.mark.parametrize(
    ("size", "code", "message"),
    [(7_600_000_000, 0, "as registered"), (5, 1, "it was registered with"), (None, 1, "is gone")],
)
def test_an_artifact_that_changed_is_not_served(host, size, code, message):
    folder = host.root / FOLDER.removeprefix("/nfs/")
    if size is not None:
        folder.mkdir(parents=True)
        with (folder / "mod.params").open("wb") as file:
            file.truncate(size)

    done = host.step("deploy-build-in", {"artifact": "3"}, "check")

    assert (done.returncode, message in done.stdout + done.stderr) == (code, True)
