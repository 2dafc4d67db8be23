"""Assets registered by jobs, and their view by kinds."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.base.bounds import PRODUCT_BYTES, PRODUCT_TEXT_CHARS
from jobs.base.errors import ParseError
from jobs.models import Dataset, Job
from jobs.schedule import targets
from jobs.schedule.targets import target_of
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_weights,
    stored,
)

DATASET = {"type": "dataset", "name": "c4", "path": "/nfs/data/c4", "files": 2, "bytes": 7}


def vacc_host():
    roots = {"weights": "/nfs/weights", "artifacts": "/nfs/vacc_deploy", "environments": "/e"}
    return make_host(facts={"roots": roots, "workspace": "/nfs", "mount": "/test"})


@pytest.fixture
def host():
    return vacc_host()


@pytest.mark.postgresql
def test_a_data_set_is_registered_once_for_each_place(host):
    first, second = (make_job(host=host, product=DATASET) for _ in range(2))

    targets.register(first, DATASET)
    targets.register(second, {**DATASET, "files": 3})
    targets.register(second, {**DATASET, "path": "/nfs/data/other"})

    rows = Dataset.objects.order_by("path").values_list("path", "files", "job")
    assert list(rows) == [("/nfs/data/c4", 3, second.pk), ("/nfs/data/other", 2, second.pk)]


def test_a_recreated_asset_has_its_time_and_its_job(host):
    first, second = (make_job(host=host, product=DATASET) for _ in range(2))
    row = targets.register(first, DATASET)
    Dataset.objects.filter(pk=row.pk).update(created_at=now() - timedelta(hours=1))

    targets.register(second, DATASET)

    assert stored(row, "job") == second
    assert now() - row.created_at < timedelta(minutes=30)


def test_a_data_set_without_a_count_is_not_registered():
    with pytest.raises(ParseError, match="has no files"):
        targets.check_product({**DATASET, "files": None})


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"path": "x" * (PRODUCT_TEXT_CHARS + 1)}, f"{PRODUCT_TEXT_CHARS} characters"),
        ({"details": {"packages": ["x"] * PRODUCT_BYTES}}, f"{PRODUCT_BYTES} bytes"),
    ],
)
def test_a_product_with_long_facts_is_not_registered(facts, refusal):
    with pytest.raises(ParseError, match=f"more than {refusal}"):
        targets.check_product(DATASET | facts)


def test_a_data_set_is_a_choice_with_both_of_its_paths_promised_or_made(host):
    product = {**DATASET, "details": {"items": 9}}
    promised = make_job(host=host, product=product)
    (ref,) = target_of(host).datasets
    assert (ref.data["items"], ref.data["mount_path"]) == (9, "/test/data/c4")
    assert "details" not in ref.data
    Job.objects.filter(pk=promised.pk).update(state="succeeded", finished_at=now())

    targets.register(promised, product)

    (ref,) = target_of(host).datasets
    assert (ref.type, ref.label) == ("dataset", "c4")
    columns = {name: DATASET[name] for name in ("name", "path", "files", "bytes")}
    assert ref.data == {**columns, "id": ref.id, "mount_path": "/test/data/c4", "items": 9}
    assert targets.resolve({"dataset": {"job": promised.pk}})["dataset"].id == ref.id
    with pytest.raises(targets.InputGone, match="dataset"):
        targets.resolve({"dataset": {"id": 999}})


@pytest.mark.postgresql
def test_a_recreated_product_still_fulfils_the_promise(host):
    product = {"type": "weights", "model_id": "m", "path": "/nfs/weights/m"}
    first = make_job(host=host, state=Job.State.SUCCEEDED, product=product)
    second = make_job(host=host, state=Job.State.SUCCEEDED, product=product)
    whole = {**product, "precision": "bf16", "bytes": 1, "sha256": "c" * 64}

    targets.register(first, whole)
    record = targets.register(second, {**whole, "details": {"modified": True}})

    assert targets.made_by(first.pk, "weights") == record
    assert targets.made_by(second.pk, "weights") == record
    assert record.details == {"modified": True}


def test_what_was_made_elsewhere_is_not_what_a_job_promised():
    product = {"type": "weights", "model_id": "m", "path": "/nfs/weights/m"}
    failed = make_job(host=vacc_host(), state=Job.State.FAILED, product=product)
    elsewhere = make_job(host=vacc_host(), state=Job.State.SUCCEEDED, product=product)
    make_weights(host=failed.host, model_id="m", path="/nfs/weights/m")

    assert targets.made_by(failed.pk, "weights") is None
    assert targets.made_by(elsewhere.pk, "weights") is None


def test_columns_count_before_details(host):
    make_artifact(host=host, details={"tp": 4, "precision": "other"}, precision="int8")

    (ref,) = target_of(host).artifacts

    assert (ref.data["tp"], ref.data["precision"]) == (4, "int8")


def test_a_deployment_without_an_artifact_has_its_details():
    details = {"precision": "fp8", "label": "fp8 tp32", "tp": 32}
    row = make_deployment(
        host=vacc_host(),
        details={**details, "container": "vllm-{deployment.id}"},
        host_url="http://127.0.0.1:8000",
    )

    (ref,) = target_of(row.host).deployments

    known = {**details, "container": f"vllm-{row.pk}", "host": "127.0.0.1", "port": "8000"}
    assert known.items() <= ref.data.items()


def test_a_deployment_of_an_artifact_is_of_its_precision(host):
    artifact = make_artifact(host=host, precision="int8")
    row = make_deployment(host=host, artifact=artifact, details={"precision": "fp8", "tp": 4})

    (ref,) = target_of(row.host).deployments

    assert (ref.data["precision"], ref.data["tp"]) == ("int8", 4)


def test_a_deployment_gets_the_details_that_its_job_found_out():
    row = make_deployment(details={"engine": "vllm"})

    targets.register(row.job, {"type": "deployment", "details": {"engine": "vllm 0.7.2"}})

    assert stored(row, "details") == {"engine": "vllm 0.7.2"}


def test_a_job_can_say_more_of_what_another_one_made(host):
    maker = make_job(host=host, state=Job.State.SUCCEEDED)
    weights = make_weights(host=host, job=maker, details={"shards": 2})
    product = {"type": "weights", "amends": True, "details": {"modification": True}}
    product |= {"model_id": weights.model_id, "path": weights.path}
    job = make_job(host=host, state=Job.State.SUCCEEDED, product=product)

    targets.check_product(product)
    assert targets.register(job, product) == weights

    assert stored(weights, "details", "job") == ({"shards": 2, "modification": True}, maker)
    assert targets.made_by(job.pk, "weights") == weights


def test_only_existing_assets_are_amended():
    product = {"type": "weights", "amends": True, "model_id": "m", "path": "/gone"}

    assert targets.register(make_job(), product) is None
    with pytest.raises(ParseError, match="has no path"):
        targets.check_product({**product, "path": ""})
