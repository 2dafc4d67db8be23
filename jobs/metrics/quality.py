"""How good answers are. Stored from 0 to 1, shown in per cent.

``accuracy`` is over all questions alike. Over several sets two means differ: each set once
(``accuracy_macro``), or each question once (``accuracy_weighted``); neither is shown without its
name.
"""

from __future__ import annotations

from jobs.metrics.base import Metric

QUALITY = (
    Metric("accuracy", "Accuracy", "%", "higher"),
    Metric("accuracy_macro", "Accuracy, each set once", "%", "higher"),
    Metric("accuracy_weighted", "Accuracy, each question once", "%", "higher"),
    Metric("accuracy_short", "Accuracy, short answers", "%", "higher"),
    Metric("accuracy_choice", "Accuracy, multiple choice", "%", "higher"),
    Metric("accuracy_en", "Accuracy, English", "%", "higher"),
    Metric("accuracy_zh", "Accuracy, Chinese", "%", "higher"),
)
