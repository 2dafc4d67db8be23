"""Self-description of an engine: models, name, version, context.

``/v1/models`` of all engines; ``/version`` and ``/metrics`` of vLLM; ``/props`` of llama.cpp. An
endpoint may send anything: what is not understood is left out.
"""

import json
from collections.abc import Mapping
from typing import Any

from jobs.base.numbers import whole
from jobs.base.patterns import pattern
from jobs.metrics.measured import METRICS, MODELS, PROPS, VERSION, EngineAbout

Answers = Mapping[str, tuple[int, bytes]]  # path -> status and body
_MOST_MODELS = 100
_LONGEST_NAME, _LONGEST_VERSION = 200, 64
# Prefix of the names of an engine's counters, and its value of "owned_by" -> name.
_BY_COUNTERS = {"vllm:": "vllm", "sglang:": "sglang", "llamacpp:": "llama.cpp"}
_BY_OWNER = {name.strip(":"): engine for name, engine in _BY_COUNTERS.items()}
_COUNTERS = pattern(rf"^({'|'.join(_BY_COUNTERS)})", lines=True)


def read(answers: Answers, model: str = "") -> EngineAbout | None:
    """Return what ``answers`` tell; None if there is no list of models. ``model`` "": the only one
    listed."""
    listed = _object(answers, MODELS).get("data")
    if not isinstance(listed, list):
        return None
    entries = {
        entry["id"]: entry
        for entry in listed
        if isinstance(entry, dict) and _word(entry.get("id"), _LONGEST_NAME)
    }
    names = tuple(entries)[:_MOST_MODELS]
    entry = entries.get(model or (names[0] if len(names) == 1 else ""), {})
    props = _object(answers, PROPS)
    counters = _COUNTERS.search(_text(answers, METRICS))
    engine = _BY_COUNTERS[counters[1]] if counters else _BY_OWNER.get(str(entry.get("owned_by")))
    build = _word(props.get("build_info"))
    return EngineAbout(
        models=names,
        engine=engine or ("llama.cpp" if build else ""),
        version=_word(_object(answers, VERSION).get("version")) or build,
        max_context=_context(entry, props),
        has_counters=counters is not None,
    )


def read_file(content: bytes, model: str) -> EngineAbout | None:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        return None
    answers = {
        path: (pair[0], pair[1].encode(errors="replace"))
        for path, pair in (data.items() if isinstance(data, dict) else ())
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str)
    }
    return read(answers, model)


def _context(entry: Mapping[str, Any], props: Mapping[str, Any]) -> int | None:
    settings = props.get("default_generation_settings")
    props_told = settings.get("n_ctx") if isinstance(settings, dict) else None
    return whole(entry.get("max_model_len") or props_told)


def _word(value: Any, longest: int = _LONGEST_VERSION) -> str:
    fits = isinstance(value, str) and len(value) <= longest and value.isprintable()
    return value.strip() if fits else ""


def _text(answers: Answers, path: str) -> str:
    status, body = answers.get(path, (0, b""))
    return body.decode(errors="replace") if status == 200 else ""


def _object(answers: Answers, path: str) -> Mapping[str, Any]:
    try:
        data = json.loads(_text(answers, path) or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
