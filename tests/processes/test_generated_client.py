"""A client that `openapi-python-client` generates from the document of a running dashboard."""

import hashlib
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

NAME = "vacc_dashboard_client"
# Two content types that the generator does not know: their answers stay bytes.
CONFIG = """
post_hooks: []
content_type_overrides:
  application/yaml: application/octet-stream
  application/x-ndjson: application/octet-stream
"""
MEASURED = """
from tests.factories import make_measured
print(*(f"res-{make_measured(scores=[1, 0] * 20, label=one).pk}" for one in ("a", "b")))
"""


@pytest.fixture(scope="module")
def document(shared):
    return shared.ask("openapi.json")


@pytest.fixture(scope="module")
def generated(shared, tmp_path_factory):
    """Folder of the client, and what the generator prints."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "openapi.json").write_bytes(shared.raw("openapi.json"))
    program = Path(sys.executable).with_name("openapi-python-client")
    options = ["--path", "openapi.json", "--config", "config.yaml", "--meta", "none"]
    done = subprocess.run(
        [program, "generate", *options, "--output-path", NAME, "--fail-on-warning"],
        **{"cwd": folder, "capture_output": True, "text": True},
    )
    return folder, done


@pytest.fixture
def call(shared, generated, monkeypatch):
    """Call an operation by its tag and name; its answer must be one of the document's."""
    monkeypatch.syspath_prepend(generated[0])
    client = importlib.import_module(NAME).AuthenticatedClient(
        shared.stack.url,
        shared.stack.run_command("create_token", "admin", "--scope", "launch").strip(),
        raise_on_unexpected_status=True,
    )

    def send(tag, name, *path, **values):
        operation = importlib.import_module(f"{NAME}.api.{tag}.{name}")
        answer = operation.sync_detailed(*path, client=client, **values)
        assert answer.status_code < 300, answer.content
        return answer

    return send


def test_the_generator_warns_of_nothing(generated):
    _folder, done = generated

    assert (done.returncode, "WARNING" in done.stdout + done.stderr) == (0, False), done.stdout


def test_each_operation_of_the_document_is_generated(generated, document):
    names = {one["operationId"] for ways in document["paths"].values() for one in ways.values()}

    made = {path.stem for path in (generated[0] / NAME / "api").glob("*/*.py")} - {"__init__"}

    assert made == names


def test_a_generated_client_launches_waits_downloads_and_compares(call, shared):
    models = importlib.import_module(f"{NAME}.models")
    params = models.LaunchAskedParams.from_dict({"what": "environment"})
    asked = models.LaunchAsked(kind="prepare", host="this-computer", params=params)

    launched = call("jobs", "launch_job", body=asked, idempotency_key="one").parsed
    again = call("jobs", "launch_job", body=asked, idempotency_key="one").parsed
    assert again.id == launched.id
    job = call("jobs", "read_job", launched.id, wait=60).parsed
    assert (job.state, job.kind) == ("succeeded", "prepare")

    for output in job.outputs:
        file = call("files", "download_output", job.id, output.id).parsed
        assert hashlib.sha256(file.payload.read()).hexdigest() == output.sha256
    assert job.outputs

    base, other = shared.stack.shell(MEASURED).split()
    compared = call("results", "read_comparison", group=[base, other]).parsed
    assert [column.results for column in compared.columns] == [[base], [other]]
    accuracy = next(row for row in compared.metrics if row.metric == "accuracy")
    assert [cell.value for cell in accuracy.columns] == [0.5, 0.5]
