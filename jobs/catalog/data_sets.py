"""Data sets of evaluations: facts of each, and the tools that ask it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from jobs.catalog.files import load_by_id
from jobs.catalog.questions import INCLUDED_QUESTIONS
from jobs.catalog.schema import Strict, Text, Word

Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=32)]
PartName = Annotated[str, Field(pattern=r"^[a-z0-9_]*$", max_length=64)]
Questions = Annotated[int, Field(gt=0)]
RelativePath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$", max_length=200)]


AreaName = Literal["", "stem", "humanities", "social", "other"]
AREAS = tuple(filter(None, get_args(AreaName)))


class SetPart(Strict):
    """Set of OpenCompass by the name that it prints. ``version`` is the hash of the prompt.
    ``area``: of a subject of MMLU."""

    name: Word
    questions: Questions
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{6}$")]
    area: AreaName = ""


class Archive(Strict):
    """Archive of a tool's own copy, with its published checksum."""

    file: RelativePath
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class OfOpenCompass(Strict):
    """Sets of OpenCompass. ``module`` below ``opencompass.configs.datasets`` has the list
    ``variable``. ``name``: in forms. ``files`` must be in the data folder; ``loads``: OpenCompass
    downloads missing ones. ``prefix``: all names that begin so belong to the set."""

    name: Id
    module: Word
    variable: Word
    files: Annotated[tuple[RelativePath, ...], Field(min_length=1)]
    loads: bool = False
    prefix: str = ""
    parts: tuple[SetPart, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names in its tables; a final "-" or "_" marks a prefix."""
        return (self.prefix,) if self.prefix else tuple(part.name for part in self.parts)


class OfEvalScope(Strict):
    """Benchmark of EvalScope. ``repository``: on ModelScope. ``examples``: worked examples before
    each question. ``needs_card``: files without the repository's README.md cannot be read.
    ``splits``: those that EvalScope reads, questions first, then the worked examples. ``parts``:
    names on the card of what it reads; "" where it names none."""

    name: Id
    repository: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+/[A-Za-z0-9_.-]+$")]
    subsets: Questions
    examples: Annotated[int, Field(ge=0)]
    splits: Annotated[tuple[Id, ...], Field(min_length=1)]
    parts: Annotated[tuple[PartName, ...], Field(min_length=1)] = ("",)
    needs_card: bool = False


class DataSet(Strict):
    """Data set. ``size``: number of questions where no part gives it. ``licence`` None: not known;
    ``licence_source`` says where it was looked up. ``included``: name in ``INCLUDED_QUESTIONS``.
    ``published_as``: its names in published figures."""

    id: Id
    name: Word
    about: Text
    sort: Literal["choice", "free text", "instructions", "mixed"]
    languages: Annotated[tuple[Literal["en", "zh"], ...], Field(min_length=1)]
    metric: Word
    licence: Word | None = None
    licence_source: Text
    source: Annotated[str, Field(pattern=r"^https://[A-Za-z0-9._/-]+$")] | None = None
    size: Questions | None = None
    archive: Archive | None = None
    opencompass: OfOpenCompass | None = None
    evalscope: OfEvalScope | None = None
    included: Id | None = None
    published_as: tuple[Word, ...] = ()

    @model_validator(mode="after")
    def _has_one_size(self) -> DataSet:
        parts = self.opencompass.parts if self.opencompass else ()
        if [bool(parts), self.size is not None, self.included is not None].count(True) != 1:
            raise ValueError("the size comes from parts, from size or from the included questions")
        return self

    @property
    def parts(self) -> tuple[SetPart, ...]:
        return self.opencompass.parts if self.opencompass else ()

    @property
    def questions(self) -> int:
        if self.included:
            return len(INCLUDED_QUESTIONS[self.included].questions)
        return self.size or sum(part.questions for part in self.parts)

    @property
    def subsets(self) -> int:
        """Return the number of subsets; a question limit counts for each."""
        return self.evalscope.subsets if self.evalscope else max(1, len(self.parts))

    @property
    def answer_names(self) -> tuple[str, ...]:
        """Return the subsets of its answers; a final "/", "_" or "-" marks a prefix. Names of
        OpenCompass ("math-500") and of EvalScope ("math_500/Level 1")."""
        own = self.opencompass.names if self.opencompass else ()
        return (*own, *((f"{self.evalscope.name}/",) if self.evalscope else ()))


def load_data_sets(path: Path) -> dict[str, DataSet]:
    by_id = load_by_id(DataSet, path)
    sets = by_id.values()
    names = [
        *(("part", part.name) for one in sets for part in one.parts),
        *(("opencompass", one.opencompass.name) for one in sets if one.opencompass),
        *(("evalscope", one.evalscope.name) for one in sets if one.evalscope),
    ]
    if len(set(names)) < len(names):
        raise ValueError(f"{path.name} has a duplicate set")
    return by_id


DATA_SETS = load_data_sets(Path(__file__).parent / "data_sets.yaml")
# By the names of the tools.
EVALUATION_SETS = {part.name: part for one in DATA_SETS.values() for part in one.parts}
BY_OPENCOMPASS = {one.opencompass.name: one for one in DATA_SETS.values() if one.opencompass}
BY_EVALSCOPE = {one.evalscope.name: one for one in DATA_SETS.values() if one.evalscope}
