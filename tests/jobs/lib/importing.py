"""Imported results for tests, from real outputs."""

from pathlib import Path
from typing import Any

from jobs.imports import read_paths, recognise
from jobs.models import Result
from jobs.services import import_storage
from jobs.services.import_storage import Kept
from jobs.services.imports import About

DATA = Path(__file__).parents[2] / "data"
SERVE = "vllm-0.32/bench/serve_random_chat.json"
EVALUATION = "opencompass-0.5.4"
UNDATED = "vllm-0.32/bench/latency.json"


def keep(path: str, *, user: Any = None, **about: Any) -> list[Kept]:
    """Import a file or folder of ``tests/data``."""
    files = read_paths([DATA / path], limit_bytes=10**9)
    return import_storage.keep(files, recognise(files).readings, About(**about), user=user)


def imported(path: str = SERVE, **fields: Any) -> Result:
    """Return the only result of a file or folder of ``tests/data``."""
    (one,) = keep(path, **fields)
    return Result.objects.select_related("imported").get(imported=one.row)
