"""Addresses. Each area's pages are listed at the end of its file in ``dashboard/pages``."""

from typing import Any

from django.urls import include, path

from dashboard.pages import account, answers, client, compare, home, hosts, models
from dashboard.pages.admin import access, audit, data_sets, rows, storage
from dashboard.pages.jobs import groups, jobs
from dashboard.pages.launch import launch, matrix, pipeline, start
from dashboard.pages.parity import parity
from dashboard.pages.results import fleet, history, imports, organise, results, tradeoff
from dashboard.pages.serving import engines, gateway, playground, presets, shares, side_by_side
from dashboard.pages.shared import addresses
from dashboard.reports import make as reports

# Prefix -> modules with the addresses below it, in their order.
_BELOW: dict[str, list[Any]] = {
    "": [home, account, access, client],
    "launch/": [start, matrix, launch],
    "jobs/": [jobs, hosts.job_urlpatterns],
    "pipelines/": [groups.pipeline_urlpatterns],
    "matrices/": [groups.matrix_urlpatterns],
    "hosts/": [hosts],
    "models/": [pipeline, models],
    "questions/": [data_sets],
    "deployments/": [engines.deployment_urlpatterns],
    "endpoints/": [engines.endpoint_urlpatterns],
    "results/": [imports, results, answers, organise, fleet, tradeoff, history, compare, addresses],
    "parity/": [parity],
    "reports/": [reports],
    "levels/": [rows.level_urlpatterns],
    "prompts/": [rows.prompt_urlpatterns],
    "playground/": [playground, shares, side_by_side],
    "playground/presets/": [presets],
    "gateway/": [gateway],
    "storage/": [storage],
    "audit/": [audit],
    "secrets/": [access.secret_urlpatterns],
    "sources/": [access.source_urlpatterns],
}

urlpatterns = [
    *(path(prefix, include(part)) for prefix, parts in _BELOW.items() for part in parts),
    path("api/v1/", include("dashboard.api.app")),
]
