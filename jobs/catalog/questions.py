"""Question sets, included or of the team, as one mapping. The team's have an index, ``<id>.json``,
and a file a version, ``<id>@<sha256>.jsonl``, which is never removed: results name it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from jobs.base import grouped
from jobs.catalog.files import locked, write

ID = re.compile(r"[a-z][a-z0-9-]{0,31}")
MOST_SETS = 500
LONGEST_NAME, LONGEST_NOTE = 60, 500
_SHORT = 12  # digits of a version in forms and results
_MOST_INDEX = 1024 * 1024
_SUFFIX = ".json"
LETTERS = "ABCDEFGHIJ"
LANGUAGES = frozenset(("en", "zh"))
ALL = "all"  # languages
LONGEST_QUESTION, LONGEST_CHOICE, LONGEST_ANSWER = 20_000, 4_000, 500
MOST_ANSWERS = 20
_warn_once = lru_cache(maxsize=64)(logging.getLogger(__name__).warning)
Answer = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ANSWER)]


class Question(BaseModel):
    """Question of a set. *short*: free text, correct when it concludes with one of ``answers``;
    matches inside a phrase of ``not_in`` do not count. *choice*: one of ``choices``, lettered from
    A; ``answers`` has the correct letter. Rules: ``jobs.host.scoring``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    sort: Literal["short", "choice"]
    language: Literal["en", "zh"]
    category: str = Field(max_length=60)
    question: str = Field(min_length=1, max_length=LONGEST_QUESTION)
    answers: tuple[Answer, ...] = Field(min_length=1, max_length=MOST_ANSWERS)
    choices: tuple[Annotated[str, StringConstraints(max_length=LONGEST_CHOICE)], ...] = ()
    not_in: tuple[Answer, ...] = Field((), max_length=MOST_ANSWERS)

    @model_validator(mode="after")
    def _the_letter_stands_for_a_choice(self) -> Question:
        if self.sort == "short" and self.choices:
            raise ValueError("a short question has no choices")
        if self.sort == "choice":
            letters = LETTERS[: len(self.choices)]
            if len(letters) < 2 or len(self.answers) != 1 or self.answers[0] not in letters:
                raise ValueError("a choice needs two choices or more, and one letter as answer")
        return self

    @property
    def subset(self) -> str:
        """Return the subset in reports: "short_en", "choice_zh", …"""
        return f"{self.sort}_{self.language}"


@dataclass(frozen=True)
class QuestionSet:
    """Question set in question order. ``name``: for pages and results."""

    name: str
    questions: tuple[Question, ...]

    def spoken(self, language: str) -> tuple[Question, ...]:
        return tuple(one for one in self.questions if language in (ALL, one.language))

    def part(self, limit: int, seed: int = 0, language: str = ALL) -> tuple[Question, ...]:
        """Return ``limit`` questions in a language, in set order; all of them for 0 or a high
        limit. Each category of each subset has its share of them, by largest remainders. Within it
        ``seed`` draws: the same seed draws the same questions on every machine."""
        questions = self.spoken(language)
        total = len(questions)
        if limit <= 0 or limit >= total:
            return questions
        strata = grouped(((one.subset, one.category), one.id) for one in questions)
        counts = {stratum: limit * len(ids) // total for stratum, ids in strata.items()}
        by_remainder = sorted(
            strata, key=lambda one: (-(limit * len(strata[one]) % total), draw(seed, "/".join(one)))
        )
        for stratum in by_remainder[: limit - sum(counts.values())]:
            counts[stratum] += 1
        wanted = {
            question_id
            for stratum, ids in strata.items()
            for question_id in sorted(ids, key=lambda one: draw(seed, one))[: counts[stratum]]
        }
        return tuple(question for question in questions if question.id in wanted)

    @cached_property
    def sha256(self) -> str:
        """Return the checksum of its text: the version of the set."""
        return sha256(jsonl(self.questions).encode()).hexdigest()


def jsonl(questions: Iterable[Question]) -> str:
    """Return questions as JSON Lines, in the format that an upload accepts: the export of a set."""
    lines = (
        json.dumps(question.model_dump(exclude_defaults=True), ensure_ascii=False)
        for question in questions
    )
    return "".join(f"{line}\n" for line in lines)


def draw(seed: int, question_id: str) -> str:
    """Return a key that sorts questions at random: a seed gives one order on every machine."""
    return sha256(f"{seed}:{question_id}".encode()).hexdigest()


class QuestionsChanged(ValueError):
    """The set changed since the version that the new one is based on."""


@dataclass(frozen=True, slots=True)
class Version:
    """Version of a set. ``at``: ISO time; ``by``: the person's name then."""

    sha256: str
    questions: int
    at: str
    by: str

    @property
    def short(self) -> str:
        return self.sha256[:_SHORT]


@dataclass(frozen=True, slots=True)
class TeamSet:
    """Set of the team, oldest version first. ``removed_at`` "": in use."""

    id: str
    name: str
    note: str
    versions: tuple[Version, ...]
    removed_at: str = ""

    @property
    def current(self) -> Version:
        return self.versions[-1]

    @property
    def key(self) -> str:
        """Return what a job names: the set with its version."""
        return f"{self.id}@{self.current.short}"

    def version(self, short: str) -> Version | None:
        return next((one for one in self.versions if one.short == short), None)


class QuestionSets(Mapping[str, QuestionSet]):
    """Question sets by key: "basics" of an included one, "ours@1f2e3d4c5b6a" of the team's.
    Iteration gives what a new job may choose: the newest versions of sets in use. A look-up also
    finds older versions, and those of removed sets, because jobs name them."""

    def __init__(self, included: Mapping[str, QuestionSet], folder: Path | None = None) -> None:
        self.included, self._folder = included, folder

    def configure(self, folder: Path | None) -> None:
        self._folder = folder

    def team(self) -> list[TeamSet]:
        """Return the team's sets by name, removed ones too; unreadable ones are left out."""
        if self._folder is None or not self._folder.is_dir():
            return []
        names = sorted(path.stem for path in self._folder.glob(f"*{_SUFFIX}"))[:MOST_SETS]
        sets = [one for one in map(self.of_team, names) if one is not None]
        return sorted(sets, key=lambda one: (one.name.lower(), one.id))

    def of_team(self, set_id: str) -> TeamSet | None:
        """Return a set of the team, removed or not; None: unknown."""
        if self._folder is None or not ID.fullmatch(set_id):
            return None
        return _index(self._folder / f"{set_id}{_SUFFIX}")

    def questions(self, set_id: str, version: Version) -> QuestionSet:
        """Raises ``KeyError``: the file of the version is missing or was changed."""
        if self._folder is None:
            raise KeyError(set_id)
        return _version(self._folder, set_id, version.sha256)

    def save(
        self,
        meta: Mapping[str, str],
        questions: tuple[Question, ...],
        *,
        at: str,
        by: str,
        onto: str | None,
    ) -> TeamSet:
        """Save a new set, or a new version of one; unchanged questions make no version. ``meta``:
        id, name and note. ``onto``: checksum of the version that this one replaces; None: the set
        is new. Raises ``QuestionsChanged``: ``onto`` is not the newest version, or a new set's id
        is taken; ``OSError``: the folder cannot be written, or none is configured."""
        folder, text = self._writable(), jsonl(questions)
        version = Version(sha256(text.encode()).hexdigest(), len(questions), at, by)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            now = self.of_team(meta["id"])
            if (now.current.sha256 if now else None) != onto:
                raise QuestionsChanged(meta["id"])
            write(folder / f"{meta['id']}@{version.sha256}.jsonl", text.encode())
            earlier = now.versions if now else ()
            if earlier and earlier[-1].sha256 == version.sha256:
                version, earlier = earlier[-1], earlier[:-1]
            team_set = TeamSet(meta["id"], meta["name"], meta["note"], (*earlier, version))
            _store(folder, team_set)
        return team_set

    def mark_removed(self, set_id: str, at: str) -> bool:
        """Take a set out of use, or with ``at`` "" back; False: unknown, or as it was."""
        folder = self._writable()
        if self.of_team(set_id) is None:
            return False
        with locked(folder):
            now = self.of_team(set_id)
            if now is None or bool(now.removed_at) == bool(at):
                return False
            _store(folder, replace(now, removed_at=at))
        return True

    def _writable(self) -> Path:
        if self._folder is None:
            raise FileNotFoundError("no folder for question sets is configured")
        return self._folder

    def __getitem__(self, key: str) -> QuestionSet:
        if key in self.included:
            return self.included[key]
        set_id, _, short = key.partition("@")
        team_set = self.of_team(set_id)
        version = team_set.version(short) if team_set else None
        if version is None:
            raise KeyError(key)
        return self.questions(set_id, version)

    def __iter__(self) -> Iterator[str]:
        yield from self.included
        yield from (one.key for one in self.team() if not one.removed_at)

    def __len__(self) -> int:
        return sum(1 for _key in self)


def _store(folder: Path, team_set: TeamSet) -> None:
    text = json.dumps(asdict(team_set), ensure_ascii=False, indent=1)
    write(folder / f"{team_set.id}{_SUFFIX}", text.encode())


_INDEX = TypeAdapter(TeamSet)


def _index(path: Path) -> TeamSet | None:
    try:
        if path.stat().st_size > _MOST_INDEX:
            raise ValueError(f"more than {_MOST_INDEX} bytes")
        team_set = _INDEX.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _warn_once("question set %s is left out: %.200s", path.name, str(error))
        return None
    return team_set if team_set.id == path.stem and team_set.versions else None


@lru_cache(maxsize=64)
def _version(folder: Path, set_id: str, checksum: str) -> QuestionSet:
    """A version never changes: read once."""
    try:
        content = (folder / f"{set_id}@{checksum}.jsonl").read_bytes()
    except OSError as error:
        raise KeyError(set_id) from error
    if sha256(content).hexdigest() != checksum:
        raise KeyError(set_id)
    lines = [line for line in content.decode().split("\n") if line]
    return QuestionSet(f"{set_id}@{checksum[:_SHORT]}", _questions(lines))


def _questions(lines: Iterable[str]) -> tuple[Question, ...]:
    return tuple(Question.model_validate(json.loads(line)) for line in lines)


def load_questions(folder: Path) -> dict[str, QuestionSet]:
    sets = {}
    for path in sorted(folder.glob("*.jsonl")):
        questions = _questions(path.read_text(encoding="utf-8").splitlines())
        ids = [question.id for question in questions]
        twice = {name for name in ids if ids.count(name) > 1}
        if twice:
            raise ValueError(f"{path.name} has duplicate ids: {sorted(twice)}")
        sets[path.stem] = QuestionSet(path.stem, questions)
    return sets


INCLUDED_QUESTIONS = load_questions(Path(__file__).parent / "questions")
QUESTION_SETS = QuestionSets(INCLUDED_QUESTIONS)
