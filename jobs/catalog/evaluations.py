"""Presets of evaluations: purpose, duration, and the values of each kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from jobs.catalog import strict_yaml
from jobs.catalog.architecture import Strict
from jobs.catalog.schema import Text, Word
from jobs.catalog.workloads import Id


class EvaluationPreset(Strict):
    """Preset of an evaluation. ``kinds``: kind of job -> values of its form, the usual kind
    first."""

    id: Id
    name: Word
    purpose: Text
    takes: Text
    kinds: Annotated[Mapping[Id, Mapping[str, str]], Field(min_length=1)]


EVALUATION_PRESETS = strict_yaml.load_by_id(
    Path(__file__).parent / "evaluations.yaml", EvaluationPreset
)
