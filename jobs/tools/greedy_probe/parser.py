"""Parser of the greedy probe: a line a prompt, with the answers of both engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from math import ceil
from statistics import median
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jobs.base.errors import ParseError

MOST_PROMPTS = 1000
_LONGEST_LINE = 8 * 1024 * 1024  # bytes

LogProb = Annotated[float, Field(ge=-1e9, le=1e9)] | None
Token = tuple[str, LogProb]


class EngineText(BaseModel):
    """Answer of one engine. ``error``: why there is none. ``tokens`` None: the engine listed none.
    ``candidates``: its most probable tokens where the answers part."""

    model_config = ConfigDict(frozen=True)

    error: str = Field("", max_length=1000)
    text: str = ""
    reasoning: str = ""
    finish: str = ""
    tokens: tuple[Token, ...] | None = None
    candidates: tuple[Token, ...] = ()

    @property
    def whole(self) -> str:
        return "\n\n".join(part for part in (self.reasoning, self.text) if part)


class Again(BaseModel):
    """True for an engine whose second answer equals its first; None: no second answer."""

    model_config = ConfigDict(frozen=True)

    deployment: bool | None = None
    reference: bool | None = None


class PromptPair(BaseModel):
    """One prompt with both answers. ``again`` None: sent once."""

    model_config = ConfigDict(frozen=True)

    index: int = Field(ge=0, lt=MOST_PROMPTS)
    prompt: str
    deployment: EngineText
    reference: EngineText
    again: Again | None = None

    @property
    def is_compared(self) -> bool:
        return not (self.deployment.error or self.reference.error)

    @property
    def is_equal(self) -> bool:
        one, other = self.deployment, self.reference
        return self.is_compared and (one.reasoning, one.text) == (other.reasoning, other.text)

    @property
    def is_different(self) -> bool:
        return self.is_compared and not self.is_equal

    @property
    def common_tokens(self) -> tuple[tuple[Token, Token], ...] | None:
        """Return the equal tokens before the answers part; None: one engine listed none."""
        first, second = self.deployment.tokens, self.reference.tokens
        if first is None or second is None:
            return None
        pairs = zip(first, second, strict=False)
        return tuple(takewhile(lambda pair: pair[0][0] == pair[1][0], pairs))

    @property
    def token(self) -> int | None:
        """Number of the first token that differs, from 1; None without one."""
        same = self.common_tokens
        return len(same) + 1 if self.is_different and same is not None else None

    @property
    def common_length(self) -> int:
        letters = zip(self.deployment.whole, self.reference.whole, strict=False)
        return sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], letters))

    @property
    def gaps(self) -> tuple[float, ...]:
        """Return absolute differences of log-probability, of the equal tokens."""
        values = ((one[1], other[1]) for one, other in self.common_tokens or ())
        return tuple(
            abs(one - other) for one, other in values if one is not None and other is not None
        )

    @property
    def margins(self) -> tuple[float | None, float | None]:
        """Log-probability of each engine's own token minus the other's; None where unknown."""
        place = self.token
        if place is None:
            return None, None
        one, other = self.deployment, self.reference
        return _margin(one, other, place - 1), _margin(other, one, place - 1)


def _margin(mine: EngineText, theirs: EngineText, place: int) -> float | None:
    if place >= min(len(mine.tokens or ()), len(theirs.tokens or ())):
        return None
    (_word, chosen), (other, _chosen) = (mine.tokens or ())[place], (theirs.tokens or ())[place]
    value = dict(reversed(mine.candidates)).get(other)
    return None if chosen is None or value is None else chosen - value


@dataclass(frozen=True, slots=True)
class Probe:
    """All prompts of a probe, in their order."""

    pairs: tuple[PromptPair, ...]

    @property
    def compared(self) -> int:
        return sum(pair.is_compared for pair in self.pairs)

    @property
    def equal(self) -> int:
        return sum(pair.is_equal for pair in self.pairs)

    @property
    def different(self) -> int:
        return self.compared - self.equal

    @property
    def failed(self) -> int:
        return len(self.pairs) - self.compared

    def repeats(self, side: str) -> tuple[int, int]:
        """Return (equal second answers, second answers) of an engine: "deployment", "reference"."""
        said = [getattr(pair.again, side) for pair in self.pairs if pair.again]
        known = [same for same in said if same is not None]
        return sum(known), len(known)

    @property
    def median_token(self) -> float | None:
        places = [pair.token for pair in self.pairs if pair.token is not None]
        return median(places) if places else None

    @property
    def gaps(self) -> tuple[float, ...]:
        return tuple(sorted(gap for pair in self.pairs for gap in pair.gaps))

    @property
    def has_tokens(self) -> bool:
        return any(pair.is_compared and pair.common_tokens is not None for pair in self.pairs)


def at_share(ordered: Sequence[float], share: float) -> float | None:
    """Return the value at a share of ascending values (nearest rank); None without any."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def parse(path: str, content: bytes) -> Probe:
    """Return the probe in a file; its last line may be cut."""
    whole = [line for line in content.split(b"\n")[:-1] if line.strip()]
    if len(whole) > MOST_PROMPTS:
        raise ParseError(f"{path} has more than {MOST_PROMPTS} lines")
    pairs = []
    for number, line in enumerate(whole, 1):
        where = f"{path}, line {number}"
        if len(line) > _LONGEST_LINE:
            raise ParseError(f"{where} is longer than {_LONGEST_LINE} bytes")
        try:
            pairs.append(PromptPair.model_validate_json(line))
        except ValidationError as error:
            message = error.errors()[0]["msg"]
            raise ParseError(f"{where} is no line of a probe: {message}") from error
    return Probe(tuple(pairs))
