"""Addresses. Each area's pages are listed at the end of its file in ``dashboard/pages``."""

from typing import Any

from django.urls import include, path

from dashboard.pages import answers, compare, models
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
from dashboard.pages.home import overview, small_pages
from dashboard.pages.hosts import hosts
from dashboard.pages.jobs import job_list, job_page, matrix, pipeline
from dashboard.pages.launch import launch, launch_matrix, launch_pipeline
from dashboard.pages.parity import parity
from dashboard.pages.results import fleet, history, imports, organise, results
from dashboard.pages.serving import deployments, endpoints, playground
from dashboard.pages.shared import addresses
from dashboard.reports import make as reports

# Prefix -> modules with the addresses below it, in their order.
_BELOW: dict[str, list[Any]] = {
    "": [overview, small_pages, account],
    "launch/": [launch_matrix, launch],
    "jobs/": [job_list, job_page, hosts.job_urlpatterns],
    "pipelines/": [pipeline],
    "matrices/": [matrix],
    "hosts/": [hosts],
    "models/": [launch_pipeline, models],
    "questions/": [data_sets],
    "deployments/": [deployments],
    "endpoints/": [endpoints],
    "results/": [imports, results, answers, organise, fleet, history, compare, addresses],
    "parity/": [parity],
    "reports/": [reports],
    "levels/": [levels],
    "prompts/": [prompts],
    "playground/": [playground],
    "storage/": [storage],
    "audit/": [audit],
    "secrets/": [secrets],
    "sources/": [sources],
}

urlpatterns = [
    *(path(prefix, include(part)) for prefix, parts in _BELOW.items() for part in parts),
    path("api/v1/", include("dashboard.api.app")),
]
