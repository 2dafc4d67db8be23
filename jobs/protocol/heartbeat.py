"""A heartbeat: the host's load, what it runs, and now and then its facts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from jobs.base.bounds import DIES_MAX, RUNS_MAX
from jobs.protocol.base import (
    Count,
    HostModel,
    Id,
    Moment,
    Number,
    Port,
    Text64,
    Token,
    Words,
)
from jobs.protocol.facts import Facts


class DieReading(HostModel):
    """Last reading of a die, °C and W; None: unknown."""

    temp_c: Number | None = None
    power_w: Number | None = None


class FolderSize(HostModel):
    """Disk usage of a folder, measured at ``at``."""

    bytes: Count
    at: Moment


class Load(HostModel):
    """Load of the host. Bytes may be missing where the system does not say."""

    load_1m: Number | None = None
    memory_free_bytes: Count | None = None
    disk_free_bytes: Count | None = None
    disk_reserve_bytes: Count | None = None
    spool_bytes: Count | None = None
    aside_bytes: Count | None = None
    disk_usage: Annotated[dict[Text64, FolderSize], Field(max_length=16)] = Field(
        default_factory=dict
    )
    dies: Annotated[dict[Text64, DieReading], Field(max_length=DIES_MAX)] = Field(
        default_factory=dict
    )
    # Output that the agent could not read, by command.
    unread: Annotated[dict[Text64, Words], Field(max_length=16)] = Field(default_factory=dict)


class _Run(HostModel):
    id: Id
    token: Token
    state: Literal["running", "ended"]
    broken: Words | None = None  # why its files can never be delivered completely


class JobRun(_Run):
    """A job that the host has."""


class ServerRun(_Run):
    """A server that the host has, and its health."""

    run: Id
    health: Literal["loading", "ready", "unhealthy"] = "loading"
    port: Port | None = None


class Heartbeat(HostModel):
    """The whole message. Times are seconds since the epoch by the host's clock."""

    boot_id: Text64
    agent_started_at: Moment
    now: Moment
    load: Load
    jobs: Annotated[list[JobRun], Field(max_length=RUNS_MAX)]
    serves: Annotated[list[ServerRun], Field(max_length=RUNS_MAX)]
    facts: Facts | None = None
