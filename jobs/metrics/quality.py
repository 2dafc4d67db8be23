"""Accuracy of answers. Stored from 0 to 1, shown in per cent.

``accuracy`` weights all questions equally. Over several sets two means exist: mean of sets
(``accuracy_macro``) and mean of questions (``accuracy_weighted``), always shown with their names.
"""

from __future__ import annotations

from jobs.metrics.base import Metric

QUALITY = (
    Metric("accuracy", "Accuracy", "%", "higher"),
    Metric("accuracy_macro", "Accuracy, mean of sets", "%", "higher"),
    Metric("accuracy_weighted", "Accuracy, mean of questions", "%", "higher"),
    # Of several answers to a question: variance relative to one answer each.
    Metric("accuracy_effect", "Design effect of the samples", "", ""),
    Metric("accuracy_short", "Accuracy, short answers", "%", "higher"),
    Metric("accuracy_choice", "Accuracy, multiple choice", "%", "higher"),
    Metric("accuracy_en", "Accuracy, English", "%", "higher"),
    Metric("accuracy_zh", "Accuracy, Chinese", "%", "higher"),
)
