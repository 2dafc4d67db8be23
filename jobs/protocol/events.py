"""Events of a job or a server, one JSON object a line, and what the last one says of files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from jobs.base.bounds import NAME_CHARS, OUTPUTS_MAX, PATH_CHARS, VALUES_MAX
from jobs.base.engine_addresses import PORT_MAX, port_from
from jobs.protocol.base import (
    BadMessage,
    Count,
    Duration,
    ExitCode,
    HostModel,
    Id,
    Moment,
    Sha256,
    Text64,
    Text1000,
    WithMessage,
    check_lines,
    load,
    note_torn,
    read,
)

Values = Annotated[dict[Text64, Text1000 | int], Field(max_length=VALUES_MAX)]


class Event(HostModel):
    """Fields of every event. ``at``: seconds since the epoch by the host's clock."""

    type: str
    at: Moment


class Started(Event):
    """The launcher runs, with these values in the plan's slots."""

    type: Literal["started"]
    values: Values = Field(default_factory=dict)
    run: Id = 1

    @field_validator("values")
    @classmethod
    def _with_port(cls, values: dict[str, Any]) -> dict[str, Any]:
        if port := values.get("port"):
            number = port_from(port)
            if number is None:
                raise ValueError(f"port is no number from 1 to {PORT_MAX}")
            return {**values, "port": str(number)}
        return values


class StepEvent(Event):
    """A step of the plan, by its index, at this offset of the log (bytes)."""

    index: Annotated[int, Field(strict=True, ge=0, le=32767)]
    log_offset: Count


class StepStarted(StepEvent):
    """The step began."""

    type: Literal["step_started"]


class StepEnded(StepEvent):
    """The step ended; negative exit code: killed by that signal."""

    type: Literal["step_ended"]
    duration_s: Duration
    exit_code: ExitCode


class ServeStarted(Event):
    """The server of a deploy job has its own launcher."""

    type: Literal["serve_started"]
    run: Id


class OutputSize(HostModel):
    """A file that the job left, by its path below the work folder."""

    name: Annotated[str, Field(max_length=NAME_CHARS)]
    path: Annotated[str, Field(min_length=1, max_length=PATH_CHARS)]
    bytes: Count
    sha256: Sha256


class Ended(Event, WithMessage):
    """The end, with what must have arrived by then. A server's log has no checksum ("")."""

    type: Literal["ended"]
    verdict: Literal["succeeded", "failed", "cancelled", "lost"]
    exit_code: ExitCode | None = None
    duration_s: Duration | None = None
    log_bytes: Count
    log_sha256: Sha256 | Literal[""]
    points_bytes: Count = 0
    outputs: Annotated[list[OutputSize], Field(max_length=OUTPUTS_MAX)] = Field(
        default_factory=list
    )
    run: Id = 1


_EVENTS: dict[str, type[Event]] = {
    "started": Started,
    "step_started": StepStarted,
    "step_ended": StepEnded,
    "serve_started": ServeStarted,
    "ended": Ended,
}


def parse_events(lines: Sequence[bytes]) -> list[Event | None]:
    """Return the event of each line; None for a line that says nothing to a dashboard.

    Such a line was torn by a power cut, or is of a type that this version does not know.

    Raises:
        BadMessage: an event breaks the protocol; ``field`` is like ``events[2].message_args``.
            Or there are more lines, or more torn ones, than :mod:`jobs.base.bounds` allows.
    """
    check_lines(lines, "events")
    sent = [_sent(line) for line in lines]
    note_torn([line for line, one in zip(lines, sent, strict=True) if one is None], "events")
    return [_event(one, f"events[{index}]") for index, one in enumerate(sent)]


def _sent(line: bytes) -> dict[str, Any] | None:
    try:
        sent = load(line)
    except BadMessage:
        return None
    return sent if isinstance(sent, dict) and isinstance(sent.get("type"), str) else None


def _event(sent: dict[str, Any] | None, where: str) -> Event | None:
    model = _EVENTS.get(sent["type"]) if sent else None
    return read(model, sent, where) if model and sent else None
