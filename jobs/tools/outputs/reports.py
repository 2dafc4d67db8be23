"""Reports of our scripts (``jobs.tools.scripts``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from jobs.base.errors import ParseError


class WeightsReport(BaseModel):
    """weights.json of fetch_weights.py."""

    path: str
    bytes: int
    sha256: str
    precision: str


class EnvironmentReport(BaseModel):
    """versions.json of verify_environment.py. ``bytes`` is the size of the whole folder."""

    path: str
    bytes: int
    versions: dict[str, str]


class Source(BaseModel):
    """Source of an artifact."""

    bytes: int
    precision: str


class ArtifactReport(BaseModel):
    """artifact.json of llama_quantise.py. ``tensors`` counts them by type."""

    path: str
    bytes: int
    sha256: str
    type: str
    tensors: dict[str, int]
    source: Source


class ReadyReport(BaseModel):
    """ready.json of wait_ready.py."""

    seconds: float = Field(ge=0)


class CollectedReport(BaseModel):
    """collected.json of collect_results.py. ``left_out``: files and folders that an import may
    miss; ``other_files``: hidden ones and other formats.
    """

    folder: str
    files: int = Field(ge=1)
    bytes: int = Field(ge=0)
    left_out: int = Field(ge=0)
    other_files: int = Field(ge=0)


Report = TypeVar("Report", bound=BaseModel)


def read(outputs: Mapping[str, bytes], path: str, report: type[Report]) -> Report:
    """Return the report at ``path``.

    Raises:
        ParseError: missing or invalid.
    """
    if path not in outputs:
        raise ParseError(f"{path} is missing")
    try:
        return report.model_validate_json(outputs[path])
    except ValidationError as error:
        raise ParseError(f"{path} is not what its script writes: {error}") from error
