"""How good answers are. Stored from 0 to 1, shown in per cent."""

from __future__ import annotations

from jobs.metrics.base import Metric

QUALITY = (
    Metric("accuracy", "Accuracy", "%", "higher"),
    Metric("accuracy_short", "Accuracy, short answers", "%", "higher"),
    Metric("accuracy_choice", "Accuracy, multiple choice", "%", "higher"),
    Metric("accuracy_en", "Accuracy, English", "%", "higher"),
    Metric("accuracy_zh", "Accuracy, Chinese", "%", "higher"),
)
