"""Addresses. Each area's pages are listed at the end of its file in ``dashboard/pages``."""

from __future__ import annotations

from django.urls import include, path

from dashboard.pages.admin import (
    account,
    audit,
    data_sets,
    levels,
    prompts,
    secrets,
    sources,
    storage,
)
from dashboard.pages.answers import answers, question_sets
from dashboard.pages.compare import tables
from dashboard.pages.home import overview, small_pages
from dashboard.pages.hosts import hosts
from dashboard.pages.jobs import job_list, job_page, matrix, pipeline
from dashboard.pages.launch import launch, launch_matrix, launch_pipeline, launch_preflight
from dashboard.pages.models import model_edit, models
from dashboard.pages.parity import missing_questions, parity
from dashboard.pages.results import (
    fleet,
    history,
    imports,
    organise,
    points,
    requests,
    results,
    tradeoff,
)
from dashboard.pages.serving import deployments, endpoints, playground
from dashboard.pages.shared import old_addresses
from dashboard.reports import page as reports

urlpatterns = [
    path("", include(overview.urlpatterns)),
    path("", include(small_pages.urlpatterns)),
    path("", include(account.urlpatterns)),
    path("jobs/", include(job_list.urlpatterns)),
    path("jobs/", include(job_page.urlpatterns)),
    path("jobs/", include(hosts.job_urlpatterns)),
    path("pipelines/", include(pipeline.urlpatterns)),
    path("launch/", include(launch_preflight.urlpatterns)),
    path("launch/", include(launch_matrix.urlpatterns)),
    path("launch/", include(launch.urlpatterns)),
    path("matrices/", include(matrix.urlpatterns)),
    path("hosts/", include(hosts.urlpatterns)),
    path("models/", include(launch_pipeline.urlpatterns)),
    path("models/", include(model_edit.urlpatterns)),
    path("models/", include(models.urlpatterns)),
    path("questions/", include(data_sets.urlpatterns)),
    path("deployments/", include(deployments.urlpatterns)),
    path("endpoints/", include(endpoints.urlpatterns)),
    path("results/", include(imports.urlpatterns)),
    path("results/", include(results.urlpatterns)),
    path("parity/", include(parity.urlpatterns)),
    path("parity/", include(missing_questions.urlpatterns)),
    path("results/", include(answers.urlpatterns)),
    path("results/", include(question_sets.urlpatterns)),
    path("reports/", include(reports.urlpatterns)),
    path("levels/", include(levels.urlpatterns)),
    path("prompts/", include(prompts.urlpatterns)),
    path("results/", include(organise.urlpatterns)),
    path("results/", include(fleet.urlpatterns)),
    path("results/", include(tradeoff.urlpatterns)),
    path("results/", include(history.urlpatterns)),
    path("results/", include(points.urlpatterns)),
    path("results/", include(requests.urlpatterns)),
    path("results/", include(tables.urlpatterns)),
    path("results/", include(old_addresses.urlpatterns)),
    path("playground/", include(playground.urlpatterns)),
    path("storage/", include(storage.urlpatterns)),
    path("audit/", include(audit.urlpatterns)),
    path("secrets/", include(secrets.urlpatterns)),
    path("sources/", include(sources.urlpatterns)),
    path("api/v1/", include("dashboard.api.app")),
]
