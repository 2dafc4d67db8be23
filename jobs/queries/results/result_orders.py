"""Sort orders of the result list. Names are those of the URL: ``?order=-output``."""

from __future__ import annotations

from django.db.models import F

from jobs.metrics import METRICS
from jobs.queries.sorting import Column, Order, metric, read_moment, read_whole, text

NEWEST = Order("made", descending=True)
COLUMNS: dict[str, Column] = {
    "job": Column(F("job_id"), read_whole),
    "model": text("model_id", always=True),
    "precision": text("label", always=True),
    "workload": text("what", always=True),
    "host": text("host__name"),
    "person": text("created_by__username"),
    "stack": text("stack", always=True),
    "done": metric("requests", "questions", "iterations"),
    "made": Column(F("created_at"), read_moment, always=True, indexed=True),
    **{name: metric(name) for name in METRICS},
}
