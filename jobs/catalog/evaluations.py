"""Presets of evaluations: purpose, duration, and the values of each kind of job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

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


def load_presets(path: Path) -> dict[str, EvaluationPreset]:
    """Return all presets of the file by id, in its order.

    Raises:
        pydantic.ValidationError: the file does not match the schema.
        ValueError: duplicate id.
    """
    rows = strict_yaml.load(path.read_text(encoding="utf-8"))
    presets = TypeAdapter(list[EvaluationPreset]).validate_python(rows)
    by_id = {each.id: each for each in presets}
    if len(by_id) < len(presets):
        raise ValueError(f"{path.name} has a duplicate preset")
    return by_id


EVALUATION_PRESETS = load_presets(Path(__file__).parent / "evaluations.yaml")
