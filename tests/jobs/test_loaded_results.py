"""Results that the migration 0053 finds."""

from importlib import import_module

import pytest
from django.apps import apps

from jobs.models import Result
from tests.factories import make_measured

migration = import_module("jobs.migrations.0052_loaded_results")
pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def test_earlier_runs_of_a_loaded_host_do_not_count():
    remark = {"id": "result:host_loaded", "args": {"load": 12.6, "cores": 2}}
    loaded = make_measured(points=[(1, {"output_tokens_per_s": 11.1})], remarks=[remark])
    make_measured(points=[(1, {"output_tokens_per_s": 101.0})])

    migration.mark_loaded(apps, None)

    assert Result.objects.get(loaded=True) == loaded


def test_a_point_with_failures_is_no_peak_of_an_earlier_result():
    failing = {"output_tokens_per_s": 24.2, "requests": 2, "failed_requests": 2, "ttft_p50_ms": 9}
    whole = {"output_tokens_per_s": 8.8, "requests": 4, "failed_requests": 0}
    result = make_measured(points=[(1, failing), (2, whole)], incomplete=True)
    Result.objects.update(metrics={**failing, "requests_all": 6, "failed_requests_all": 2})

    migration.choose_peaks(apps, None)

    result.refresh_from_db()
    wanted = {"requests_all": 6, "failed_requests_all": 2, "concurrency": 2}
    assert result.metrics == {**whole, **wanted}
