"""Known failures in a log: which, where, and the one that most likely ended it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure
from jobs.parsers.lines import Line, Lines

# So much of a matching line is kept: some tools print a whole request in one.
LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Sighting:
    """One known failure in one log. ``first`` and ``last`` are the lines that show it, ``count``
    says how many do; None and 0 where only the exit code tells. ``args`` fill its words.
    """

    failure: KnownFailure
    first: Line | None = None
    last: Line | None = None
    count: int = 0
    args: Mapping[str, str] = field(default_factory=dict)


class FailureScan:
    """Looks for known failures in a log that comes in pieces. Keeps only the first and last line of
    each; what is known of the job rules some out (None: not known).

    ``number`` and ``offset`` say where in the log the first piece begins.
    """

    def __init__(
        self,
        *,
        kind: str | None = None,
        tools: Collection[str] | None = None,
        exit_code: int | None = None,
        number: int = 1,
        offset: int = 0,
        failures: Iterable[KnownFailure] = KNOWN_FAILURES.values(),
    ) -> None:
        self._lines = Lines(number=number, offset=offset)
        self._failures = [
            each for each in failures if each.may_be(kind=kind, tools=tools, exit_code=exit_code)
        ]
        self._texts = tuple({s.text for each in self._failures for s in each.signatures})
        self._exit_code = exit_code
        self._seen: dict[str, Sighting] = {}

    def feed(self, chunk: bytes) -> None:
        """Look at the lines that end in ``chunk``."""
        for line in self._lines.feed(chunk):
            self._look_at(line)

    def end(self) -> tuple[Sighting, ...]:
        """What was seen, the most specific first; of equals the one that was seen last.

        What ends a run is seldom the first thing that it complains of: it tried again, or went on.
        """
        for line in self._lines.end():
            self._look_at(line)
        by_code = [
            Sighting(each)
            for each in self._failures
            if each.exit_codes and not each.signatures and self._exit_code is not None
        ]
        places = {each.id: place for place, each in enumerate(self._failures)}
        return tuple(
            sorted(
                [*self._seen.values(), *by_code],
                key=lambda s: (
                    *s.failure.rank,
                    -s.last.number if s.last else 0,
                    places[s.failure.id],
                ),
            )
        )

    def _look_at(self, line: Line) -> None:
        # Plain texts first: nearly every line of a log holds none of them.
        for text in self._texts:
            if text in line.text:
                break
        else:
            return
        for failure in self._failures:
            args = failure.match(line.text)
            if args is not None:
                kept = replace(line, text=line.text[:LONGEST_TEXT])
                before = self._seen.get(failure.id, Sighting(failure, first=kept))
                self._seen[failure.id] = replace(
                    before, last=kept, count=before.count + 1, args=args
                )


def known_failures(
    content: bytes,
    *,
    kind: str | None = None,
    tools: Collection[str] | None = None,
    exit_code: int | None = None,
) -> tuple[Sighting, ...]:
    """The known failures in a whole log, the one that most likely ended it first."""
    scan = FailureScan(kind=kind, tools=tools, exit_code=exit_code)
    scan.feed(content)
    return scan.end()
