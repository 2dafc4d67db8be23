"""Stored params and run contexts of an older version are read by their new names."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.apps import apps

from jobs.models import Job, Result
from jobs.services.outcomes import identity
from tests.factories import make_measured

pytestmark = pytest.mark.django_db

migration = import_module("jobs.migrations.0030_queue_values")


def with_params(result: Result, **params: object) -> dict[str, object]:
    """The parts of the identity of ``result``, whose job has these params and is migrated."""
    Job.objects.filter(pk=result.job_id).update(params=params)
    migration.forwards(apps, None)
    return identity.identity_of(Result.objects.get(pk=result.pk))["parts"]


def test_stored_params_and_run_contexts_get_the_new_keys():
    result = make_measured(run_context={"beside": {"jobs": [7]}, "load": {}})
    Job.objects.filter(pk=result.job_id).update(params={"quiet": True, "seed": 3})

    migration.forwards(apps, None)

    job, result = Job.objects.get(pk=result.job_id), Result.objects.get(pk=result.pk)
    assert job.params == {"exclusive": True, "seed": 3}
    assert result.run_context == {"concurrent_load": {"jobs": [7]}, "load": {}}

    migration.backwards(apps, None)

    job.refresh_from_db()
    assert job.params == {"quiet": True, "seed": 3}


def test_the_identity_of_a_migrated_job_is_that_of_a_new_one():
    result = make_measured()
    plain = with_params(result, output_tokens=64)

    assert with_params(result, output_tokens=64, quiet=True) == plain
    assert with_params(result, output_tokens=64, exclusive=True) == plain
    assert with_params(result, output_tokens=65) != plain
