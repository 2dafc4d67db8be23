"""An evaluation of EvalScope 1.14 while it runs: its own scores, question by question.

``<folder>/predictions/<model>/<benchmark>_<subset>.jsonl`` gets a line an answer,
``<folder>/reviews/<model>/<benchmark>_<subset>.jsonl.rerun-<hex>`` a line a score; the latter is
renamed to end in ``.jsonl`` when its benchmark is done. ``<folder>/logs/eval_log.log`` has the
number of questions of a benchmark and the failed ones. Seen on 1.14.1; its own ``api/evaluator/
cache.py`` writes so. Standard library only.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jobs.tools.lib.growing import MOST_FILES, Counts, Expected, GrowingReader, Tail, rows

_RERUN = re.compile(r"(.+)\.jsonl(?:\.rerun-[0-9a-f]+)?")
_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - evalscope - [A-Z]+: (.*)")
_BEGINS = re.compile(r"Start loading benchmark dataset: (\S+)")
_SAMPLES = re.compile(r"(\S+): (\d{1,9}) samples to evaluate \(")
_FAILED = re.compile(r"Processing item in subset=['\"]([^'\"]*)['\"] failed")
_CUT = ("max_tokens", "model_length", "length")


class EvalScopeReader(GrowingReader):
    """Counts for each expected part ``benchmark/subset``, else for each benchmark."""

    def __init__(self, folder: Path, expected: Expected) -> None:
        self._folder = folder
        self._sizes = dict(expected)
        self._stems = {name.replace("/", "_"): name for name in self._sizes if "/" in name}
        self._answers: dict[str, Counts] = {}  # by stem of its file
        self._scores: dict[str, Counts] = {}
        self._errors: dict[str, int] = {}  # by data set
        self._tails: dict[tuple[str, str], Tail] = {}
        self._log = Tail()
        self._benchmark = ""  # the latest one in the log
        self._known = {name for name in self._sizes if "/" not in name}

    def read(self) -> dict[str, dict[str, float]]:
        """Counts so far by data set, those of all under ""."""
        for line in self._log.read(self._folder / "logs" / "eval_log.log")[0]:
            match = _LINE.match(line.decode(errors="replace"))
            if match:
                self._take(match[1])
        for stem, lines, _is_other in self._added("predictions"):
            counts = self._answers.setdefault(stem, Counts())
            for line in lines:
                _add_answer(counts, line)
        for stem, lines, is_other in self._added("reviews"):
            if is_other:  # reviewed once more, from the first question on
                self._scores.pop(stem, None)
            counts = self._scores.setdefault(stem, Counts())
            for line in lines:
                _add_score(counts, line)
        return rows(self._sets())

    def _sets(self) -> dict[str, Counts]:
        sets = {name: Counts(total=size) for name, size in self._sizes.items()}
        for stem, counts in [*self._answers.items(), *self._scores.items()]:
            sets.setdefault(self._set_of(stem), Counts()).add(counts)
        for name, errors in self._errors.items():
            sets.setdefault(name, Counts()).errors += errors
        for name, counts in sets.items():
            counts.total = counts.total or self._sizes.get(name, 0)
        return sets

    def _set_of(self, stem: str) -> str:
        if stem in self._stems:
            return self._stems[stem]
        known = [name for name in self._known if stem.startswith(f"{name}_")]
        return max(known, key=len, default=stem)

    def _added(self, folder: str) -> Iterator[tuple[str, list[bytes], bool]]:
        for stem, path in _newest(self._folder / folder).items():
            if len(self._tails) >= MOST_FILES and (folder, stem) not in self._tails:
                continue
            lines, is_other = self._tails.setdefault((folder, stem), Tail()).read(path)
            yield stem, lines, is_other

    def _take(self, text: str) -> None:
        begins, samples, failed = (each.match(text) for each in (_BEGINS, _SAMPLES, _FAILED))
        if begins and len(self._known) < MOST_FILES:
            self._benchmark = begins[1]
            # A benchmark with a part of its own in what is expected is no data set by itself.
            if not any(name.startswith(f"{begins[1]}/") for name in self._sizes):
                self._known.add(begins[1])
        elif samples and samples[1] in self._known:
            self._sizes[samples[1]] = int(samples[2])
        elif failed:
            part = f"{self._benchmark}/{failed[1]}"
            name = part if part in self._sizes else self._benchmark
            self._errors[name] = self._errors.get(name, 0) + 1


def _newest(folder: Path) -> dict[str, Path]:
    """The file of each stem; a file that is being written comes before a whole one."""
    newest: dict[str, Path] = {}
    for path in sorted(folder.glob("*/*.jsonl*")):
        stem = _RERUN.fullmatch(path.name)
        if stem:
            newest[stem[1]] = path  # "x.jsonl" sorts before "x.jsonl.rerun-…"
    return newest


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _add_answer(counts: Counts, line: bytes) -> None:
    row = _object(line)
    if "index" not in row:
        return
    counts.answered += 1
    output = row.get("model_output")
    choices = output.get("choices") if isinstance(output, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    counts.cut += isinstance(first, dict) and first.get("stop_reason") in _CUT


def _add_score(counts: Counts, line: bytes) -> None:
    sample = _object(line).get("sample_score")
    score = sample.get("score") if isinstance(sample, dict) else None
    if not isinstance(score, dict) or score.get("status") == "excluded":
        return
    values = score.get("value")
    if not isinstance(values, dict) or not values:
        return
    name = score.get("main_score_name")
    value = values.get(name if name and isinstance(name, str) else next(iter(values)))
    if isinstance(value, int | float) and 0 <= value <= 1:
        counts.scored += 1
        counts.right += float(value)
