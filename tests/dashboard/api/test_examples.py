"""Each operation has an example, and each example runs."""

import json
import re
import uuid
from urllib.parse import urlencode

import pytest

from dashboard.api.app import document
from dashboard.api.examples import BODY, PATH, QUERY, VERSION
from jobs.catalog import QUESTION_SETS
from jobs.models import ApiToken, Conversation, Host, Matrix, Note, SavedView, SignOff, Tag, Turn
from tests import sample_data
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.chat_pages import make_share
from tests.dashboard.lib.team_models import added_model, broken_file
from tests.factories import (
    keep_secret,
    make_cell,
    make_deployment,
    make_endpoint,
    make_evaluation,
    make_host,
    make_job,
    make_level,
    make_preset,
    make_prompts,
    make_user,
)
from tests.jobs.lib.answering import save_set
from tests.jobs.lib.importing import imported
from tests.kept import ended

OPERATIONS = {
    operation["operationId"]: (method, path, operation)
    for path, ways in document()["paths"].items()
    for method, operation in ways.items()
}
# What needs more than rows: its status, and why.
REFUSED = {
    **dict.fromkeys(("add_model", "change_model"), 422),  # their YAML is shortened
    **dict.fromkeys(("import_results", "import_conversation"), 422),  # their body is a file
    "stop_turn": 409,  # needs an answer that is being generated
    "resume_job": 422,  # needs the answers of a stopped evaluation
}
UNCONFIRMED = {"check": "shm", "message_id": "check:shm", "message_args": {}}
# Operations on jobs in other states than ended.
STATES = {
    "cancel_job": {},
    "confirm_job": {"needs_confirmation": [UNCONFIRMED]},
    "move_job": {},
    "set_priority": {},
    "set_exclusive": {},
}
# Operations on hosts that are not the dashboard's own, or not online.
HOSTS = {
    "mark_host_lost": {"heartbeat_at": None},
    "replace_host_key": {"type": "vacc"},
    "revoke_host_key": {"type": "vacc"},
}


@pytest.fixture
def rows(question_folder, model_folder):
    """Records, by the names of parameters in paths; and their owner, an administrator."""
    root, host = make_user("root", is_staff=True), make_host("this-computer", type="this-computer")
    of = {"host": host, "created_by": root}
    deployment = make_deployment(job=make_job(**of, state="succeeded"), created_by=root)
    base, other, third = (
        make_evaluation([1, 0, 1], host=host, params={"questions": "basics"}) for _ in range(3)
    )
    question = QUESTION_SETS["basics"].questions[0]
    base.answers.filter(index=1).update(
        question_id=question.id, question=question.question, expected=" | ".join(question.answers)
    )
    matrices = [Matrix.objects.create(title="m", kind="benchmark", spec={}, **of) for _ in range(2)]
    cells = [make_cell(one, 0, make_job(**of, state="failed")) for one in matrices]
    make_cell(matrices[0], 1, make_job(**of))
    chain = uuid.uuid4()
    for state in ("failed", "queued"):
        make_job(**of, chain=chain, state=state)
    added = {"result": base, "created_by": root}
    Tag.objects.create(name="nightly", **added)
    keep_secret("HF_TOKEN", "hf_0123456789")
    job = ended(log=b"one\ntwo\n", files=1, **of)
    chat = Conversation.objects.create(user=root, title="Sky")
    turn = Turn.objects.create(conversation=chat, index=0, prompt="Hi", state="done", answer="Hi!")
    colleague = make_user("lin-weihua")
    endpoint = make_endpoint("other", url="http://127.0.0.1:9", created_by=root)
    return {
        **{"user": root, "host": host, "job_id": job.pk, "record_id": job.pk},
        "output_id": job.outputs.get().pk,
        "deployment_id": deployment.pk,
        **{"conversation_id": chat.pk, "turn_id": turn.pk},
        **{"endpoint_id": endpoint.pk, "endpoint:2": f"endpoint:{endpoint.pk}"},
        "import_result_id": f"res-{imported(user=root).pk}",
        **{"matrix_id": matrices[0].pk, "model_id": added_model(), "file": broken_file()},
        "level_id": make_level(created_by=root).pk,
        "note_id": Note.objects.create(text="warm", **added).pk,
        "pipeline_id": str(chain),
        "preset_id": make_preset(created_by=root).pk,
        "prompt_set_id": make_prompts(created_by=root).pk,
        "result_id": f"res-{base.pk}",
        "run_id": cells[0].pk,
        **{"set_id": "ours", VERSION: QUESTION_SETS[save_set()].sha256},
        "share_key": make_share(root),
        "sign_off_id": SignOff.objects.create(purpose="ACME", **added).pk,
        "source_id": sample_data.source(),
        **{"token_id": models_token(colleague).pk, "user_id": colleague.pk},
        "view_id": SavedView.objects.create(name="mine", created_by=root).pk,
        # In bodies and queries.
        **{"res-15": f"res-{base.pk}", "res-16": f"res-{other.pk}", "res-17": f"res-{third.pk}"},
        "http://10.0.0.5:8000": "http://127.0.0.1:9",
        **{17: job.pk, 3: deployment.pk, 4: matrices[0].pk, 5: matrices[1].pk},
    }


def models_token(user):
    return ApiToken.objects.create(user=user, name="ci", token_sha256="f" * 64, scope="models")


def real(value, rows, name=""):
    """The example with records that are there."""
    if isinstance(value, dict):
        return {key: real(one, rows, key) for key, one in value.items()}
    if isinstance(value, list):
        return [real(one, rows, name) for one in value]
    if isinstance(value, str):
        named = rf"res-\d+|http://10.0.0.5:8000|endpoint:2|{VERSION}"
        return re.sub(named, lambda found: rows[found[0]], value)
    return rows[value] if name in ("id", "deployment", "job") else value


def test_each_parameter_of_a_path_has_an_example():
    names = {
        parameter["name"]: parameter.get("example")
        for _method, _path, operation in OPERATIONS.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }

    assert names == PATH


def test_each_example_is_of_an_operation_and_each_body_has_one():
    with_body = {
        name
        for name, (_method, _path, one) in OPERATIONS.items()
        if "application/json" in one.get("requestBody", {}).get("content", {})
    }

    assert {*BODY} == with_body
    assert {*QUERY} <= {*OPERATIONS}


@pytest.mark.django_db
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "follow_job"])
def test_an_example_runs(name, rows):
    method, path, _operation = OPERATIONS[name]
    if name in STATES:
        rows["job_id"] = make_job(host=rows["host"], created_by=rows["user"], **STATES[name]).pk
    if name in HOSTS:
        Host.objects.update(**HOSTS[name])
    if "/deployments/" in path:
        rows["record_id"] = rows["deployment_id"]
    if name == "read_probe":
        rows["job_id"] = sample_data.probe(rows["host"])
    place = re.sub(r"{(\w+)}", lambda found: str(rows.get(found[1], PATH[found[1]])), path)
    query = urlencode(real(QUERY.get(name, {}), rows), doseq=True)
    caller, body = Caller(rows["user"]), real(BODY.get(name), rows)

    answer = caller.client.generic(
        method.upper(),
        f"{place}?{query}",
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers=caller.headers,
    )

    said = b"" if answer.streaming else answer.content[:500]
    assert answer.status_code == REFUSED.get(name, answer.status_code), said
    assert name in REFUSED or answer.status_code < 300, said
