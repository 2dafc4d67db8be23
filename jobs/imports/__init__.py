"""Import of results that others measured: files in, readings or reasons out.
Here: the list of readers, the files of an upload; no database.
Not here: storage of imported results (`services.imports`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jobs.base.messages import Message
from jobs.imports.not_results import NotResults
from jobs.tools.aiperf.imports import Aiperf
from jobs.tools.evalscope.eval_imports import EvalscopeEval
from jobs.tools.evalscope.perf_imports import EvalscopePerf
from jobs.tools.guidellm.imports import Guidellm
from jobs.tools.importing.base import Reader, Reading, Refusal, attempt, checked
from jobs.tools.importing.bundle import Bundle
from jobs.tools.lm_eval.imports import LmEval
from jobs.tools.opencompass.imports import Opencompass
from jobs.tools.vllm.log_imports import VllmLog
from jobs.tools.vllm.offline_imports import VllmLatency, VllmThroughput
from jobs.tools.vllm.serve_imports import VllmServe

# A file belongs to the first reader that claims it.
READERS: tuple[Reader, ...] = (
    VllmServe(),
    VllmThroughput(),
    VllmLatency(),
    Guidellm(),
    Aiperf(),
    EvalscopePerf(),
    EvalscopeEval(),
    LmEval(),
    Opencompass(),
    VllmLog(),
    NotResults(),
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """Results in an upload, refusals with reasons, and files that belong to neither."""

    readings: tuple[Reading, ...]
    refusals: tuple[Refusal, ...]
    unused: tuple[str, ...]


def recognise(files: Mapping[str, bytes]) -> Recognised:
    """Return what ``files`` (path -> content) hold. Logs count only without a result file."""
    bundle = Bundle(files)
    readings: list[Reading] = []
    refusals: list[Refusal] = []
    free = list(bundle)
    for reader in READERS:
        own = [path for path in free if reader.claims(bundle, path)]
        if not own or (reader.is_fallback and (readings or refusals)):
            continue
        free = [path for path in free if path not in own]
        for one in _read(reader, bundle, own):
            if isinstance(one, Reading):
                readings.append(one)
            else:
                refusals.append(one)
    if not readings and not refusals:
        refusals.append(Refusal(tuple(free), Message("import:unknown")))
    found: list[Reading | Refusal] = [*readings, *refusals]
    used = {path for one in found for path in one.files}
    unused = tuple(path for path in bundle if path not in used)
    return Recognised(tuple(readings), tuple(refusals), unused)


def _read(reader: Reader, bundle: Bundle, own: Sequence[str]) -> list[Reading | Refusal]:
    found = attempt(own, _all_of, reader, bundle, own)
    if isinstance(found, Refusal):
        return [found]
    return [checked(one) if isinstance(one, Reading) else one for one in found]


def _all_of(reader: Reader, bundle: Bundle, own: Sequence[str]) -> list[Reading | Refusal]:
    return list(reader.read(bundle, own))
