"""Sets of questions that an evaluation asks: how many there are, and which prompt asks them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from jobs.catalog import strict_yaml


class EvaluationSet(BaseModel):
    """One set under the name that OpenCompass gives it. ``version`` is the hash of its prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(min_length=1)]
    questions: Annotated[int, Field(gt=0)]
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")]


def load_sets(path: Path) -> dict[str, EvaluationSet]:
    """Every set in the file, by its name.

    Raises:
        pydantic.ValidationError: the file says something else than the schema.
        ValueError: a set is there twice.
    """
    rows = strict_yaml.load(path.read_text(encoding="utf-8"))
    sets = TypeAdapter(list[EvaluationSet]).validate_python(rows)
    found = {each.name: each for each in sets}
    if len(found) < len(sets):
        raise ValueError(f"{path.name} has a set twice")
    return found


EVALUATION_SETS = load_sets(Path(__file__).parent / "evaluation_sets.yaml")
