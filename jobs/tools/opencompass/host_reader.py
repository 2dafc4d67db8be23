"""An evaluation of OpenCompass 0.4 or 0.5 while it runs: answers and scores.

``<folder>/<run>/predictions/<model>/tmp_<set>.json`` is written anew after each batch, and
``<set>.json`` once all is answered: an object with a member a question, indented by four spaces, in
the order of the questions. So a member stays at the same bytes. No answer is scored before
``<folder>/<run>/results/<model>/<set>.json`` is written: after the set where the plan scores sets
meanwhile, after all sets by the guide's command. Neither file has tokens or why an answer ended.
The client of the dashboard's own questions scores each answer itself: ``<folder>/.asked.jsonl`` has
a line an answer, with the set. Standard library only.
"""

import json
import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from jobs.base.files import open_regular
from jobs.reasoning import parts
from jobs.tools.lib.growing import (
    MOST_BYTES,
    MOST_FILES,
    Counts,
    Expected,
    GrowingReader,
    Tail,
    rows,
)

_RUN = re.compile(rb"OpenCompass - INFO - Current exp folder: \S*?(\d{8}_\d{6})\s*$")
# A member ends where a line is a brace at its own indentation: a line end in a text is "\n" there.
_END = re.compile(rb"\n    \},?(?=\n)")
# "accuracy": 50.0, or "np.float64(50.0)" as text
_NUMBER = re.compile(
    rb'^    "([^"\n]{1,80})": (?:"np\.float64\()?(-?\d{1,9}(?:\.\d{1,20})?(?:e-?\d{1,3})?)',
    re.MULTILINE,
)
_ERROR = re.compile(rb'^    "error": ', re.MULTILINE)
_FIRST = ("score", "auc_score", "accuracy")  # what the tool's own summary takes first
_ENDS_OF_RESULT = 64 * 1024


class OpenCompassReader(GrowingReader):
    """Counts for each expected set; a name that ends in "*" stands for all that begin so."""

    def __init__(self, folder: Path, expected: Expected, log: Path) -> None:
        self._folder, self._log_path = folder, log
        self._sizes = dict(expected)
        self._log = Tail()
        self._run = ""
        self._asked: dict[str, _Growing] = {}  # by file, without "tmp_"
        self._scored: dict[str, _Result] = {}
        self._judged = _Judged(self._sizes)

    def read(self) -> dict[str, dict[str, float]]:
        for line in self._log.read(self._log_path)[0]:
            match = _RUN.search(line)
            if match and match[1].decode() != self._run:  # a dry run has a folder of its own
                self._run = match[1].decode()
                self._asked, self._scored = {}, {}
        run = self._folder / self._run
        for path in sorted(run.glob("predictions/*/*.json")) if self._run else ():
            name = path.name.removesuffix(".json").removeprefix("tmp_")
            if name in self._asked or len(self._asked) < MOST_FILES:
                self._asked.setdefault(name, _Growing()).read(path)
        for path in sorted(run.glob("results/*/*.json")) if self._run else ():
            name = path.name.removesuffix(".json")
            if name in self._asked:
                self._scored.setdefault(name, _Result()).read(path)
        self._judged.read(self._folder / ".asked.jsonl")
        sets = self._sets()
        for name, counts in self._judged.sets.items():
            if not sets[name].scored:
                sets[name] = replace(counts, total=sets[name].total)
        return rows(sets)

    def _sets(self) -> dict[str, Counts]:
        sets = {name: Counts(total=size) for name, size in self._sizes.items()}
        for name, asked in self._asked.items():
            whole = sets.setdefault(self._set_of(name), Counts())
            whole.answered += asked.members - asked.empty
            whole.errors += asked.empty
            whole.cut += asked.cut
            # Parts of one set are scored together, under its own name.
            result = self._scored.get(name)
            if result is not None and result.share is not None:
                whole.scored += asked.members  # an empty answer is scored as well
                whole.right += result.share * asked.members
                if name in self._sizes:  # a set that is scored has no question left
                    whole.total = asked.members
        return sets

    def _set_of(self, name: str) -> str:
        if name in self._sizes:
            return name
        part = re.fullmatch(r"(.+)_\d+", name)
        if part and part[1] in self._sizes:
            return part[1]
        groups = [each for each in self._sizes if each.endswith("*")]
        return next((each for each in groups if name.startswith(each[:-1])), name)


class _Growing:
    """Answers in one file of predictions, counted from where the last look ended."""

    def __init__(self) -> None:
        self.members = self.empty = self.cut = 0
        self._offset = 0

    def read(self, path: Path) -> None:
        """Count what was added. A file that is being written anew is left for the next look."""
        data, begin = b"", 0
        with suppress(OSError), open_regular(path) as fd:
            data = os.pread(fd, MOST_BYTES, self._offset)
        for end in _END.finditer(data):
            self._add(data[begin : end.end()])
            begin = end.end()
        if begin == 0 and len(data) == MOST_BYTES:  # one answer of megabytes
            begin = len(data)
        self._offset += begin

    def _add(self, member: bytes) -> None:
        self.members += 1
        text = member.strip().lstrip(b"{").strip().strip(b",")
        try:
            parsed = json.loads(b"{" + text + b"}")
            answer = next(iter(parsed.values()))["prediction"]
        except (ValueError, KeyError, TypeError, StopIteration, RecursionError):
            return
        answer = answer if isinstance(answer, str) else json.dumps(answer) if answer else ""
        self.empty += not answer.strip()
        # A thought without an end: the answer was cut in it.
        self.cut += parts(answer, ended=True).thought == "open"


class _Judged:
    """Answers that were scored one by one, counted by set, of the ``expected`` sets."""

    def __init__(self, expected: Collection[str]) -> None:
        self.sets: dict[str, Counts] = {}
        self._expected = expected
        self._lines: dict[int, list[int]] = {}  # hash of set and prompt -> failed and good ones
        self._tail = Tail()

    def read(self, path: Path) -> None:
        """Count the added lines. A failed sample that is asked again is counted once: lines of a
        prompt above its ``samples`` are of the failed ones."""
        for line in self._tail.read(path)[0]:
            try:
                row = json.loads(line)
                name, prompt, right = row["set"], str(row["prompt"]), row.get("right")
                samples = int(row.get("samples", 1))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                continue
            if name in self._expected:
                counts = self.sets.setdefault(name, Counts())
                own = self._lines.setdefault(hash((name, prompt)), [0, 0])
                counts.errors -= min(own[0], max(0, samples - own[1]))
                is_good = isinstance(right, bool)
                own[is_good] += 1
                counts.errors += min(own[0], max(0, samples - own[1]))
                if is_good:
                    counts.answered += 1
                    counts.scored += 1
                    counts.right += right
                    counts.cut += row.get("finish") == "length"


class _Result:
    """The score of one set, a share of 1; None while there is none, or an error in its place."""

    def __init__(self) -> None:
        self.share: float | None = None
        self._last_state: tuple[int, int] | None = None

    def read(self, path: Path) -> None:
        """Take the score from both ends of the file: details, which lie between, may be long."""
        text = b""
        with suppress(OSError), open_regular(path) as fd:
            state = os.fstat(fd)
            if (state.st_size, state.st_mtime_ns) == self._last_state:
                return
            text = os.pread(fd, _ENDS_OF_RESULT, 0)
            if state.st_size > _ENDS_OF_RESULT:
                text += b"\n" + os.pread(fd, _ENDS_OF_RESULT, state.st_size - _ENDS_OF_RESULT)
        if not text.rstrip().endswith(b"\n}"):  # half written
            return
        self._last_state = (state.st_size, state.st_mtime_ns)
        found = _NUMBER.finditer(text)
        shares = {match[1].decode(errors="replace"): float(match[2]) / 100 for match in found}
        share = next((shares[name] for name in (*_FIRST, *shares) if name in shares), -1.0)
        self.share = share if 0 <= share <= 1 and not _ERROR.search(text) else None
