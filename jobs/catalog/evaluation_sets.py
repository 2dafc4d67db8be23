"""Question sets of evaluations: number of questions, and version of the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from jobs.catalog import strict_yaml


class EvaluationSet(BaseModel):
    """Question set with its OpenCompass name. ``version`` is the hash of the prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    questions: Annotated[int, Field(gt=0)]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")]


def load_sets(path: Path) -> dict[str, EvaluationSet]:
    """Return all sets in the file by name.

    Raises:
        pydantic.ValidationError: the file does not match the schema.
        ValueError: duplicate set.
    """
    rows = strict_yaml.load(path.read_text(encoding="utf-8"))
    sets = TypeAdapter(list[EvaluationSet]).validate_python(rows)
    by_name = {each.name: each for each in sets}
    if len(by_name) < len(sets):
        raise ValueError(f"{path.name} has a duplicate set")
    return by_name


EVALUATION_SETS = load_sets(Path(__file__).parent / "evaluation_sets.yaml")
