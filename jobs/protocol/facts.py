"""Facts of a host: what its probe found, see ``jobs.host.probe``. Each part is bounded."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from jobs.base.bounds import DIES_MAX, IMAGES_MAX, TOOLS_MAX
from jobs.base.engine_addresses import ip_from
from jobs.protocol.base import Count, HostModel, Text64, Text255, Text1000

RootName = Literal["environments", "spool", "serve", "weights", "artifacts", "datasets"]


def _ip(text: str) -> str:
    return str(ip_from(text))  # its ValueError says what is wrong


def _first_images(value: Any) -> Any:
    """Leave out images above the bound: docker may have more, and no page needs all."""
    return value[:IMAGES_MAX] if isinstance(value, list) else value


Address = Annotated[Text64, AfterValidator(_ip)]
Images = Annotated[list[Text1000], BeforeValidator(_first_images)]


class Cpu(HostModel):
    """Processor; ``cores``: those that the agent may use."""

    model: Text255
    cores: Annotated[int, Field(strict=True, ge=0, le=65536)]
    avx512: StrictBool


class Disk(HostModel):
    """File system of the host's folder, in bytes."""

    total_bytes: Count
    free_bytes: Count


class Python(HostModel):
    """Interpreter of the agent."""

    path: Text1000
    version: Text64


class Tool(HostModel):
    """A program on the PATH; version "": unknown."""

    name: Text64
    version: Text255
    path: Text1000


class Die(HostModel):
    """A device ``/dev/vaccN``."""

    id: Annotated[int, Field(strict=True, ge=0, le=65535)]


class Facts(HostModel):
    """All facts. Fields without a default are needed to plan a job."""

    address: Address | None = None
    arch: Text64 = ""
    cpu: Cpu | None = None
    disk: Disk | None = None
    kernel: Text255 = ""
    memory_bytes: Count | None = None
    os: Text255 = ""
    python: Python | None = None
    roots: dict[RootName, Text1000]
    tools: Annotated[list[Tool], Field(max_length=TOOLS_MAX)] = Field(default_factory=list)
    wheels_dir: Text1000 | None = None
    # A VACC host:
    dies: Annotated[list[Die], Field(max_length=DIES_MAX)] = Field(default_factory=list)
    driver: Text255 = ""
    iommu: StrictBool | None = None
    compiler: Text255 = ""
    workspace: Text1000 = ""
    mount: Text1000 | None = None
    registry: Text1000 | None = None
    modification_dir: Text1000 = ""
    conda: Text1000 = ""
    images: Images = Field(default_factory=list)
    stacks: Annotated[list[Text64], Field(max_length=16)] | None = None


def stored(facts: Facts) -> dict[str, Any]:
    """Return the facts as the host sent them: without parts that it left out."""
    return facts.model_dump(exclude_unset=True)
