"""The OpenAPI document: whatever it allows is answered as it says, and never by a fault of ours."""

import os
import uuid

import pytest
import schemathesis
from django.contrib.auth import get_user_model
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis import checks

from dashboard.api.app import document
from dashboard.security.counters import hashed
from jobs import logstore
from jobs.models import (
    ApiToken,
    Conversation,
    Matrix,
    MatrixCell,
    Note,
    SavedView,
    SignOff,
    Tag,
    Turn,
)
from tests import sample_data
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.chat_pages import make_share
from tests.dashboard.lib.team_models import added_model, broken_file
from tests.factories import (
    keep_secret,
    make_deployment,
    make_host,
    make_job,
    make_level,
    make_measured,
    make_preset,
    make_user,
)
from tests.jobs.lib.answering import save_set
from tests.jobs.lib.importing import imported
from tests.kept import ended

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

# ``make fuzz`` sets it: then the bounds of every field are sent as well, which takes ten times as
# long. A request's schema is the same on both databases, so PostgreSQL gets few.
IS_LONG, IS_SECOND_RUN = "FUZZ_EXAMPLES" in os.environ, "TEST_DATABASE_URL" in os.environ
EXAMPLES = 1 if IS_SECOND_RUN else 8
SCHEMA = schemathesis.openapi.from_dict(document())
# A stream of the event loop, which this transport has not.
SCHEMA = SCHEMA.exclude(path_regex="/events$")
SCHEMA.app = get_wsgi_application()
SCHEMA.config.phases.coverage.enabled = IS_LONG
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
checks.load_all_checks()


def _tag(result):
    Tag.objects.get_or_create(result_id=result, name="nightly")
    return "nightly"


# Parts of results that an example before may have removed: parameter -> made for a result.
ADDED = {
    "tag": _tag,
    "note_id": lambda result: Note.objects.create(result_id=result, text="warm").pk,
    "sign_off_id": lambda result: SignOff.objects.create(result_id=result, purpose="ACME").pk,
    "import_result_id": lambda _result: f"res-{imported().pk}",
    "model_id": lambda _result: added_model(),
    "file": lambda _result: broken_file(),
    "level_id": lambda _result: make_level().pk,
    "preset_id": lambda _result: make_preset().pk,
    "view_id": lambda _result: SavedView.objects.create(name="nightly").pk,
}


@pytest.fixture
def connection_stays():
    """As in Django's own test client: a request does not end the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


@pytest.fixture
def known(connection_stays, model_folder, question_folder):
    """Records that every address finds. The caller is staff and their owner."""
    root = make_user("root", is_staff=True)
    ApiToken.objects.create(user=root, name="t", token_sha256=hashed("secret"))
    job = ended(log=b"one\nWARN two\n", created_by=root, files=1)
    deployment = make_deployment(created_by=root)
    logstore.store().append(f"deployment/{deployment.pk}", 0, b"GET /health\n")
    result = make_measured(job=ended(created_by=root), points=[(4, {"output_tokens_per_s": 8.5})])
    evaluation = make_measured(job=ended(created_by=root), scores=[1, 0, 1])
    save_set("ours")
    host, chain = make_host("known", type="vacc"), uuid.uuid4()
    for state in ("succeeded", "failed", "queued", "queued"):
        make_job(host=host, chain=chain, state=state, created_by=root, model_id="deepseek-r1")
    matrix = Matrix.objects.create(title="m", kind="benchmark", host=host, spec={}, created_by=root)
    cell = MatrixCell.objects.create(
        matrix=matrix, row=0, column=0, place=0, output_tokens=8, concurrency=1, job=job
    )
    return {
        "matrix_id": matrix.pk,
        "run_id": cell.pk,
        "job_id": job.pk,
        "output_id": job.outputs.get().pk,
        "kind": "benchmark",
        "key": "mlperf-chat",
        "probe_id": sample_data.probe(host),
        "deployment_id": deployment.pk,
        "endpoint_id": sample_data.endpoint(),
        "prompt_set_id": sample_data.prompts(),
        "result_id": f"res-{result.pk}",
        "evaluation_id": f"res-{evaluation.pk}",
        "pipeline_id": str(chain),
        "name": host.name,
        "secret": "HF_TOKEN",
        "set_id": "ours",
        "user_id": make_user("lin").pk,
    }


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_every_operation_answers_as_the_document_says(case, known):
    # An answer of schemathesis' own transport stays compressed.
    headers = {"Authorization": "Bearer secret", "Accept-Encoding": "identity"}
    (case.query or {}).pop("wait", None)  # seconds
    case.validate_response(case.call(headers=headers), [*CHECKS, checks.negative_data_rejection])
    parameters = {name: known.get(name, value) for name, value in case.path_parameters.items()}
    if "record_id" in parameters:
        kind = "deployment_id" if "/deployments/" in case.path else "job_id"
        parameters["record_id"] = known[kind]
    if case.path.endswith(("/paired", "/answers", "/answers/{index}")):
        parameters["result_id"] = known["evaluation_id"]
        parameters |= {"index": 0} if "index" in parameters else {}
    if "secret" in parameters:  # an example before may have deleted it
        keep_secret("HF_TOKEN", "hf_0123456789")
    if case.path.endswith("/probe"):
        parameters["job_id"] = known["probe_id"]
    if "conversation_id" in parameters:
        chat = Conversation.objects.create(user=get_user_model().objects.get(username="root"))
        turn = Turn.objects.create(conversation=chat, index=0, prompt="Hi", state="done")
        made = {"conversation_id": chat.pk, "turn_id": turn.pk}
        parameters |= {name: made[name] for name in made.keys() & parameters.keys()}
    if "share_key" in parameters:
        parameters["share_key"] = make_share(get_user_model().objects.get(username="root"))
    if "source_id" in parameters:
        parameters["source_id"] = sample_data.source()
    if "token_id" in parameters:
        parameters["token_id"] = Caller(make_user()).token.pk
    for name in ADDED.keys() & parameters.keys():
        parameters[name] = ADDED[name](int(known["result_id"].removeprefix("res-")))
    if parameters:
        case.path_parameters = parameters
        answer = case.call(headers=headers)
        case.validate_response(answer, CHECKS)
        assert answer.status_code != 404
