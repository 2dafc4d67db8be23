"""The kinds of job, written out: a new kind is a module and a name here."""

from __future__ import annotations

from jobs.kinds import benchmark, compile, deploy, evaluate, prepare
from jobs.kinds.base import Kind

KINDS: dict[str, Kind] = {
    "prepare": prepare,
    "compile": compile,
    "deploy": deploy,
    "benchmark": benchmark,
    "evaluate": evaluate,
}
