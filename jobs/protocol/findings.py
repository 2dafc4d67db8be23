"""Findings of a preflight: one for each check of a plan, in its order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jobs.base.bounds import FINDINGS_MAX
from jobs.protocol.base import HostModel, Text64, WithMessage

Level = Literal["ok", "warn", "failed", "unknown"]


class Finding(WithMessage):
    """Findings of a check."""

    name: Text64
    level: Level


class Findings(HostModel):
    """All of them."""

    findings: Annotated[list[Finding], Field(max_length=FINDINGS_MAX)]
