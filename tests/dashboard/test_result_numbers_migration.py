"""Results that earlier versions stored by the number of their job or import."""

from __future__ import annotations

from importlib import import_module

import pytest

from dashboard.security import audit_log
from jobs.models import AuditEntry, Import, Result
from tests.factories import make_job, make_measured
from tests.past import models_of

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
migration = import_module("jobs.migrations.0050_results_by_their_numbers")


@pytest.fixture
def apps():
    return models_of("0050_results_by_their_numbers")


def stopped_early(baseline: str) -> Result:
    job = make_job(kind="evaluate", params={"stop_early": True, "baseline": baseline})
    args = {"asked": 10, "questions": 100, "baseline": baseline}
    remarks = [{"id": "evaluate:look_worse", "args": args}, {"id": "result:failed", "args": {}}]
    return make_measured(scores=[1, 0], job=job, remarks=remarks)


def baselines(result: Result) -> tuple[str, str]:
    result.refresh_from_db()
    assert result.job is not None
    result.job.refresh_from_db()
    return result.job.params["baseline"], result.remarks[0]["args"]["baseline"]


def test_baselines_become_results_and_go_back(apps):
    base = make_measured(scores=[1, 0], job=make_job(kind="evaluate"))
    result, other = stopped_early(str(base.job_id)), stopped_early("999999")

    migration.forwards(apps, None)
    assert baselines(result) == (f"res-{base.pk}", f"res-{base.pk}")
    assert baselines(other) == ("999999", "999999")  # its result does not exist

    migration.backwards(apps, None)
    assert baselines(result) == (str(base.job_id), str(base.job_id))


def test_an_undecided_look_gets_its_name_of_today_and_goes_back(apps):
    remark = {"id": "evaluate:look_unknown", "args": {"baseline": "999999"}}
    result = make_measured(scores=[1, 0], remarks=[remark])

    migration.forwards(apps, None)
    result.refresh_from_db()
    assert result.remarks[0]["id"] == "evaluate:look_cannot_tell"

    migration.backwards(apps, None)
    result.refresh_from_db()
    assert result.remarks[0]["id"] == "evaluate:look_unknown"


def test_subjects_of_the_audit_log_get_the_number(apps):
    files = Import.objects.create(sha256="0" * 64, bytes=1)
    imported = Result.objects.create(imported=files, type="benchmark", model_id="r1")
    for subject in ("result 15", f"import {imported.imported_id}", "import 999", "job 15"):
        audit_log.record(None, "result.tag", subject)

    migration.forwards(apps, None)
    migration.forwards(apps, None)

    subjects = AuditEntry.objects.order_by("pk").values_list("subject", flat=True)
    assert [*subjects] == ["result res-15", f"result res-{imported.pk}", "import 999", "job 15"]
