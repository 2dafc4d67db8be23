"""Readings of jobs: outputs in, Outcome out; the end of a log in, progress out.
Here: the functions that kinds name as `reads` and `progress`.
Not here: formats of tools (`tools`). The web process never imports this room: it asks a confined
worker.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string

from jobs.base.sanitize import ESCAPES
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind
from jobs.metrics.measured import Outcome, Progress
from jobs.plans import Plan
from jobs.tools.outputs.ended import Ended


def read_outcome(kind: Kind, params: Any, plan: Plan, outputs: Mapping[str, bytes]) -> Outcome:
    """Return what an ended job measured or made. ``outputs`` is path -> content, and LOG -> the
    log's end.

    Raises:
        ParseError: the output is not in the tool's format.
    """
    outcome: Outcome = function_of(kind.reads)(Ended(kind, params, plan, outputs))
    return outcome


def progress_of(kind: str, tail: bytes) -> Progress | None:
    """Return the progress of a job of ``kind`` from the last bytes of its log."""
    name = KINDS[kind].progress if kind in KINDS else ""
    if not name:
        return None
    text = ESCAPES.sub(b"", tail).decode("utf-8", errors="replace")
    found: Progress | None = function_of(name)(text)
    return found


def function_of(name: str) -> Any:
    """Return a function by the name that a kind gives, such as "tools.vllm.reading.online"."""
    return import_string(f"jobs.{name}")
