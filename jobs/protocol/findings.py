"""Findings of a preflight: one for each check of a plan, in its order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jobs.protocol.base import HostModel, MessageArgs, Text64

FINDINGS_MAX = 256

Level = Literal["ok", "warn", "failed", "unknown"]


class Finding(HostModel):
    """Findings of a check."""

    name: Text64
    level: Level
    message_id: Text64
    message_args: MessageArgs


class Findings(HostModel):
    """All of them."""

    findings: Annotated[list[Finding], Field(max_length=FINDINGS_MAX)]
