"""Addresses. Each area's pages are listed at the end of its file in ``dashboard/views``."""

from __future__ import annotations

from django.urls import include, path

from dashboard.views import (
    account,
    audit,
    columns,
    deployments,
    docs,
    endpoints,
    health,
    levels,
    overview,
    people,
    playground,
    prompts,
    reports,
    search,
    secrets,
    sources,
    storage,
    tokens,
)
from dashboard.views.hosts import host_queue, hosts
from dashboard.views.jobs import (
    job_accuracy,
    job_confirm,
    job_list,
    job_page,
    job_pin,
    matrix,
    pipeline,
)
from dashboard.views.launch import launch, launch_matrix, launch_pipeline, launch_preflight
from dashboard.views.models import model_edit, models
from dashboard.views.results import (
    fleet,
    history,
    imports,
    organise,
    points,
    requests,
    results,
    tradeoff,
)

urlpatterns = [
    path("", include(overview.urlpatterns)),
    path("", include(account.urlpatterns)),
    path("", include(people.urlpatterns)),
    path("", include(tokens.urlpatterns)),
    path("", include(health.urlpatterns)),
    path("", include(columns.urlpatterns)),
    path("jobs/", include(job_list.urlpatterns)),
    path("jobs/", include(job_page.urlpatterns)),
    path("jobs/", include(host_queue.job_urlpatterns)),
    path("jobs/", include(job_confirm.urlpatterns)),
    path("jobs/", include(job_pin.urlpatterns)),
    path("jobs/", include(job_accuracy.urlpatterns)),
    path("pipelines/", include(pipeline.urlpatterns)),
    path("launch/", include(launch_preflight.urlpatterns)),
    path("launch/", include(launch_matrix.urlpatterns)),
    path("launch/", include(launch.urlpatterns)),
    path("matrices/", include(matrix.urlpatterns)),
    path("hosts/", include(hosts.urlpatterns)),
    path("models/", include(launch_pipeline.urlpatterns)),
    path("models/", include(model_edit.urlpatterns)),
    path("models/", include(models.urlpatterns)),
    path("deployments/", include(deployments.urlpatterns)),
    path("endpoints/", include(endpoints.urlpatterns)),
    path("results/", include(imports.urlpatterns)),
    path("results/", include(results.urlpatterns)),
    path("reports/", include(reports.urlpatterns)),
    path("levels/", include(levels.urlpatterns)),
    path("prompts/", include(prompts.urlpatterns)),
    path("results/", include(organise.urlpatterns)),
    path("results/", include(fleet.urlpatterns)),
    path("results/", include(tradeoff.urlpatterns)),
    path("results/", include(history.urlpatterns)),
    path("results/", include(points.urlpatterns)),
    path("results/", include(requests.urlpatterns)),
    path("search/", include(search.urlpatterns)),
    path("playground/", include(playground.urlpatterns)),
    path("storage/", include(storage.urlpatterns)),
    path("audit/", include(audit.urlpatterns)),
    path("docs/", include(docs.urlpatterns)),
    path("secrets/", include(secrets.urlpatterns)),
    path("sources/", include(sources.urlpatterns)),
    path("api/v1/", include("dashboard.api.urls")),
]
