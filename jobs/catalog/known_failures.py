"""Known failures: log signatures, causes and advice, in lists of ``failures/*.yaml``, without code.
Causes and advice are English source texts, which pages translate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from jobs.base.patterns import pattern
from jobs.catalog.files import load_by_id
from jobs.catalog.schema import Strict

# error: repeats until fixed. transient: a retry may be enough.
# warning: the job continues, but its numbers are doubtful.
Severity = Literal["error", "transient", "warning"]
# cause: root cause. general: a cause with many causes. symptom: a consequence.
Level = Literal["cause", "general", "symptom"]

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_Words = Annotated[str, Field(min_length=10, max_length=400)]


class Signature(Strict):
    """Line with ``text`` that also matches ``pattern``, if any (:mod:`jobs.base.patterns`). The
    plain text makes searches of large logs fast. Named groups of the pattern fill the texts."""

    text: str = Field(min_length=4)
    pattern: str = ""

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: object) -> object:
        return {"text": value} if isinstance(value, str) else value

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, value: str) -> str:
        pattern(value)
        return value

    @cached_property
    def compiled(self) -> re.Pattern[str] | None:
        return pattern(self.pattern) if self.pattern else None

    def match(self, line: str) -> Mapping[str, str] | None:
        """Return arguments of the texts if the line matches, else None."""
        if self.text not in line:
            return None
        if self.compiled is None:
            return {}
        result = self.compiled.search(line)
        return None if result is None else {k: v or "?" for k, v in result.groupdict().items()}


class KnownFailure(Strict):
    """One failure. ``on_host``: it must be fixed on the host, not by job settings. ``kinds`` are
    kinds of job or their families, ``tools`` programs that the step names; empty: any. Without
    signatures the exit code alone decides (negative: a signal)."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    severity: Severity
    level: Level = "cause"
    on_host: bool = False
    cause: _Words
    advice: _Words
    signatures: tuple[Signature, ...] = ()
    exit_codes: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> KnownFailure:
        if not self.signatures and not self.exit_codes:
            raise ValueError("neither a signature nor an exit code tells it")
        if self.signatures and not self.examples:
            raise ValueError("a signature needs an example: a line as the tool prints it")
        for line in self.examples:
            if self.match(line) is None:
                raise ValueError(f"its own example is not matched: {line!r}")
        filled = set(_PLACEHOLDER.findall(self.cause + self.advice))
        for signature in self.signatures:
            missing = filled - set(pattern(signature.pattern).groupindex)
            if missing:
                raise ValueError(f"{signature.text!r} does not fill {sorted(missing)}")
        for text in (self.cause, self.advice):
            if "%" in _PLACEHOLDER.sub("", text):
                raise ValueError("a per cent sign that fills nothing")
        return self

    def match(self, line: str) -> Mapping[str, str] | None:
        matches = (signature.match(line) for signature in self.signatures)
        return next((args for args in matches if args is not None), None)

    def may_be(
        self, *, kind: str | None, tools: Iterable[str] | None, exit_code: int | None
    ) -> bool:
        """Return False if the known facts rule this failure out. None is an unknown fact."""
        families = tuple(f"{each}-" for each in self.kinds)
        of_kind = not families or kind is None or f"{kind}-".startswith(families)
        by_tool = not self.tools or tools is None or bool(set(self.tools) & set(tools))
        # Without signatures the exit code decides; with signatures it narrows.
        unknown = exit_code is None and bool(self.signatures)
        with_code = not self.exit_codes or unknown or exit_code in self.exit_codes
        return of_kind and by_tool and with_code

    @property
    def rank(self) -> tuple[int, int, int]:
        """Sort key, smaller is more specific: errors before warnings, causes before symptoms, lines
        before exit codes, limited before general."""
        limits = sum(map(bool, (self.kinds, self.tools, self.signatures)))
        levels = ("cause", "general", "symptom")
        return (self.severity == "warning", levels.index(self.level), -limits)


def load_failures(folder: Path) -> dict[str, KnownFailure]:
    return load_by_id(KnownFailure, *sorted(folder.glob("*.yaml")))


KNOWN_FAILURES = load_failures(Path(__file__).parent / "failures")
