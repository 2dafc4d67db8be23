"""What is next for a model: weights, compiled, served, speed, accuracy; on the best host."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import Deployment
from jobs.queries.catalogue import model_page
from tests.factories import (
    make_artifact,
    make_deployment,
    make_evaluation,
    make_guide_host,
    make_host,
    make_result,
    make_weights,
)

pytestmark = pytest.mark.django_db
QWEN, R1, SMOL = "deepseek-r1-distill-qwen-7b", "deepseek-r1", "smollm2-135m-instruct"


def step(model=QWEN):
    """The kind of job and what its form is filled with; None: nothing."""
    found = model_page(model).row.next_step()
    return found and (found.kind, dict(found.filled))


@pytest.mark.parametrize(("model", "kind"), [(QWEN, "prepare-weights"), (SMOL, "prepare")])
def test_a_model_without_weights_is_prepared_first(model, kind):
    assert step(model) == (kind, {"model": model})


def test_weights_are_compiled_then_served_then_measured():
    host = make_guide_host("va16")

    def here(**fields):
        return {"host": "va16", **{name: str(row.pk) for name, row in fields.items()}}

    weights = make_weights(host=host, model_id=QWEN)
    assert step() == ("compile-vacc", here(weights=weights))
    artifact = make_artifact(host=host, model_id=QWEN)
    assert step() == ("deploy-build-in", here(artifact=artifact))
    loading = make_deployment(host=host, model_id=QWEN, state=Deployment.State.LOADING)
    assert step() is None
    ready = make_deployment(host=host, model_id=QWEN)
    assert step() == ("benchmark", here(deployment=ready))
    make_result(model_id=QWEN, simulated=True)  # stands for no model
    assert step()[0] == "benchmark"
    make_result(model_id=QWEN)
    assert step() == ("evaluate", here(deployment=ready))
    make_evaluation([1.0, 0.0], model_id=QWEN)
    assert step() is None
    assert model_page(QWEN).row.hosts[0].deployments == [ready, loading]


def test_weights_that_a_server_reads_are_not_compiled():
    host = make_guide_host("va16")
    weights = make_weights(host=host, model_id=R1)

    assert step(R1) == ("deploy-vllm", {"host": "va16", "weights": str(weights.pk)})
    assert not model_page(R1).row.is_compiled
    assert model_page(QWEN).row.is_compiled


def test_the_newest_file_is_offered():
    host = make_host("here")
    make_artifact(host=host)
    newest = make_artifact(host=host)

    assert step(SMOL) == ("deploy", {"host": "here", "artifact": str(newest.pk)})


def test_the_next_step_is_on_a_real_host_that_answers():
    away = {"heartbeat_at": now() - timedelta(hours=1)}
    for name, fields in (
        ("a-away", away),
        ("b-simulated", {"type": "simulated"}),
        ("c-real", {}),
    ):
        make_artifact(host=make_host(name, **fields))
    assert step(SMOL)[1]["host"] == "c-real"
    make_deployment(host=make_host("b-real"), state=Deployment.State.LOADING)
    make_deployment(host=make_host("d-real"))

    assert step(SMOL)[0] == "benchmark"  # the furthest real one, ready before loading
