"""Reports of our scripts on VACC hosts (``jobs.tools.scripts``)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from jobs.tools.outputs.reports import WeightsReport

Sha256 = Field(pattern=r"^[0-9a-f]{64}$")


class ImageReport(BaseModel):
    """image.json of inspect_image.py. ``versions``: of the packages in the image."""

    name: str
    id: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    bytes: int
    architecture: str
    versions: dict[str, str]

    @property
    def fingerprint(self) -> str:
        """Return the id without its scheme."""
        return self.id.removeprefix("sha256:")


class ShardsReport(WeightsReport):
    """weights.json of verify_weights.py.

    ``checked``: "sha256" if every shard was read, "sizes" if only measured. ``compared``: number of
    shards with a checksum of the hub.
    """

    shards: int = Field(ge=1)
    checked: Literal["sizes", "sha256"]
    compared: int


class ModificationReport(BaseModel):
    """modification.json of apply_modification.py: name of a file -> its checksum ("" for none)."""

    path: str
    done: Literal["shown", "applied", "undone"]
    files: dict[str, str]


class DatasetReport(BaseModel):
    """dataset.json of verify_dataset.py. ``counts``: items by path, ``known``: items of the whole
    set. ``sha256``: of paths and contents of its files; "" in older reports.
    """

    name: str
    path: str
    files: int = Field(ge=1)
    bytes: int = Field(ge=1)
    counts: dict[str, int]
    known: dict[str, int]
    sha256: str = ""


class FolderReport(BaseModel):
    """artifact.json of verify_folder.py. ``deploy_config``: llmdeploy's file, "" for none."""

    path: str
    bytes: int = Field(ge=1)
    sha256: str = Sha256
    files: int = Field(ge=1)
    new_files: int = Field(ge=1)
    tokenizer: bool
    deploy_config: str
