"""Search of a log for known failures: matches, positions, and the most likely cause."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure
from jobs.tools.outputs.files import Lines, LogLine

# Stored length of a matching line: some tools print a whole request in one line.
LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Sighting:
    """Known failure in a log. ``first`` and ``last`` are matching lines, ``count`` is their number;
    None and 0 for a match of the exit code only. ``args`` fill its texts."""

    failure: KnownFailure
    first: LogLine | None = None
    last: LogLine | None = None
    count: int = 0
    args: Mapping[str, str] = field(default_factory=dict)


class FailureScan:
    """Incremental search of a log for known failures. Stores only the first and last line of each.
    Facts about the job exclude some failures (None: unknown). ``number`` and ``offset``: position
    of the first chunk in the log."""

    def __init__(
        self,
        *,
        kind: str | None = None,
        tools: Collection[str] | None = None,
        exit_code: int | None = None,
        number: int = 1,
        offset: int = 0,
    ) -> None:
        self._lines = Lines(number=number, offset=offset)
        self._failures = [
            each
            for each in KNOWN_FAILURES.values()
            if each.may_be(kind=kind, tools=tools, exit_code=exit_code)
        ]
        self._texts = tuple({s.text for each in self._failures for s in each.signatures})
        self._exit_code = exit_code
        self._sightings: dict[str, Sighting] = {}

    def feed(self, chunk: bytes) -> None:
        self._search(self._lines.feed(chunk))

    def end(self) -> tuple[Sighting, ...]:
        """Return the matches, most specific first, then latest first: the first logged error seldom
        ends a run, because tools retry or continue."""
        self._search(self._lines.end())
        places = {each.id: place for place, each in enumerate(self._failures)}

        def order(one: Sighting) -> tuple[int, ...]:
            last = one.last.number if one.last else 0
            return (*one.failure.rank, -last, places[one.failure.id])

        by_code = [
            Sighting(each)
            for each in self._failures
            if each.exit_codes and not each.signatures and self._exit_code is not None
        ]
        return tuple(sorted([*self._sightings.values(), *by_code], key=order))

    def _search(self, lines: Iterable[LogLine]) -> None:
        for line in lines:
            # Plain texts first: nearly no line of a log contains one.
            if any(text in line.text for text in self._texts):
                for failure in self._failures:
                    args = failure.match(line.text)
                    if args is not None:
                        kept = replace(line, text=line.text[:LONGEST_TEXT])
                        seen = self._sightings.get(failure.id, Sighting(failure, first=kept))
                        count = seen.count + 1
                        seen = replace(seen, last=kept, count=count, args=args)
                        self._sightings[failure.id] = seen
