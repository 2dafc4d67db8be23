"""Banned words and long sentences, by file; ``python -m tests.words [paths]`` lists them.

The terms are the column "not" of ``docs/glossary.md`` and ``docs/glossary.zh.md``, and the
expressions of ``docs/glossary-banned.toml``. Texts of pages come from the catalogues of
translations: run ``manage.py translations`` after a change of a text.
"""

import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import tomllib
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs/glossary.md"
CHINESE_GLOSSARY = ROOT / "docs/glossary.zh.md"
BANNED = ROOT / "docs/glossary-banned.toml"
CATALOGUES = [ROOT / f"locale/zh_Hans/LC_MESSAGES/{name}.po" for name in ("django", "djangojs")]
CODE = ("dashboard", "jobs", "simulator", "tests")
OWN_FILES = ("words.py", "test_words.py")
MOST_WORDS = 20
# Shown below a field, not read in passing.
HELP_TEXTS = ("jobs/kinds", "jobs/catalog")
_TAG = re.compile(r"<[^>]+>")
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]")
_CODE = re.compile(r"`[^`]*`")
_ADDRESS = re.compile(r"\]\([^)]*\)")
_SENTENCE_END = re.compile(r"(?<=[.!?:])[”)]?\s+")
_DOCSTRING = re.compile(r'"""(What|Who|Whom|Whether|Where|How|Why|That|The same)\b')
_HEADING = re.compile(r"#+ (\d+\. )?(What|Who|Whether|Where|When|Why|How|The same)\b")


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """A banned word or a long sentence. ``owner`` is the file of the text, ``place`` its line."""

    owner: str
    place: str
    problem: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}: {self.text}"


@dataclass(frozen=True, slots=True)
class Rule:
    """``pattern`` is banned; ``instead`` is what to write."""

    pattern: re.Pattern[str]
    instead: str


@cache
def rules(table: str) -> list[Rule]:
    rows = tomllib.loads(BANNED.read_text("utf-8"))[table]
    form = "(?:{})" if table != "labels" else "(?:{})$"
    return [Rule(re.compile(form.format(key), re.IGNORECASE), rows[key]) for key in rows]


@cache
def glossary_rules(path: Path = GLOSSARY) -> list[Rule]:
    """Rules of the column "not": phrases of two words, and all that is Chinese.

    A single English word has other meanings too: ``glossary-banned.toml`` says where it is banned.
    """
    glossary = []
    for cells in glossary_rows(path):
        term, phrases = cells[0], re.split("[,、]", cells[2])
        for phrase in filter(None, map(str.strip, phrases)):
            if not phrase.isascii():
                glossary.append(Rule(re.compile(re.escape(phrase)), term))
            elif " " in phrase:
                glossary.append(Rule(re.compile(rf"\b{re.escape(phrase)}\b", re.IGNORECASE), term))
    return glossary


def glossary_rows(path: Path) -> list[list[str]]:
    """Rows of the tables of a glossary: term, other language, what is not said, meaning."""
    rows = []
    for line in path.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 4 and cells[0] not in ("English", "中文") and "--" not in cells[0]:
            rows.append(cells)
    return rows


def page_hits() -> Iterator[Hit]:
    for path in CATALOGUES:
        with path.open("rb") as file:
            catalogue = read_po(file, locale="zh_Hans")
        for message in catalogue:
            if not message.id:
                continue
            owners = [place for place, _line in message.locations]
            for text in _forms(message.id):
                for problem in english_problems(text, is_help=_is_help(owners)):
                    for owner in owners:
                        yield Hit(owner, _line_of(owner, text), problem, text)
            place = f"{path.relative_to(ROOT)}:{message.lineno}"
            for text in _forms(message.string):
                for problem in chinese_problems(text):
                    yield Hit(owners[0], place, problem, text)


def english_problems(text: str, *, is_help: bool = False) -> Iterator[str]:
    plain = _PLACEHOLDER.sub("…", _TAG.sub("", text)).strip()
    yield from _problems(plain, [*rules("everywhere"), *rules("pages"), *glossary_rules()])
    for rule in rules("labels"):
        if rule.pattern.match(plain):
            yield f"label “{plain}” → {rule.instead}"
    if not is_help:
        for message in _SENTENCE_END.split(plain):
            if (count := len(message.split())) > MOST_WORDS:
                yield f"{count} words in a sentence"


def chinese_problems(text: str) -> Iterator[str]:
    yield from _problems(
        _PLACEHOLDER.sub("X", _TAG.sub("", text)),
        [*rules("chinese"), *glossary_rules(GLOSSARY), *glossary_rules(CHINESE_GLOSSARY)],
    )


def _problems(text: str, applied: Iterable[Rule]) -> Iterator[str]:
    """One problem a place: of two matches that overlap the longer one."""
    taken: list[range] = []
    matches = [(match, rule) for rule in applied for match in rule.pattern.finditer(text)]
    for match, rule in sorted(matches, key=lambda pair: -len(pair[0].group())):
        if not any(match.start() < span.stop and match.end() > span.start for span in taken):
            taken.append(range(*match.span()))
            yield f"“{match.group().strip()}” → {rule.instead}"


def document_hits() -> Iterator[Hit]:
    for path in documents():
        owner = path.relative_to(ROOT).as_posix()
        is_chinese = path.name.endswith(".zh.md")
        for number, line in prose(path):
            problems = chinese_problems(line) if is_chinese else _document_problems(line)
            for problem in problems:
                yield Hit(owner, f"{owner}:{number}", problem, line.strip())


def _document_problems(line: str) -> Iterator[str]:
    yield from _problems(line, [*rules("everywhere"), *glossary_rules()])
    if _HEADING.match(line):
        yield "heading → a noun"


def code_hits() -> Iterator[Hit]:
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts and path.name not in OWN_FILES:
                yield from _python_hits(path)


def _python_hits(path: Path) -> Iterator[Hit]:
    owner = path.relative_to(ROOT).as_posix()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in (tokenize.COMMENT, tokenize.STRING):
                continue
            for offset, line in enumerate(token.string.splitlines()):
                text = _CODE.sub("`x`", line).strip()
                problems = list(_problems(text, [*rules("everywhere"), *glossary_rules()]))
                if offset == 0 and _DOCSTRING.match(text):
                    problems.append("docstring → begin with the verb or the thing")
                for problem in problems:
                    yield Hit(owner, f"{owner}:{token.start[0] + offset}", problem, text)


def documents() -> list[Path]:
    """Files of the documentation; the glossary itself names what it bans."""
    names = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "simulator/README.md")
    heads = [ROOT / name for name in names]
    texts = sorted((ROOT / "docs").rglob("*.md"))
    return [*heads, *(path for path in texts if path not in (GLOSSARY, CHINESE_GLOSSARY))]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of a document, without fenced code, code spans and addresses of links."""
    is_code = False
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield number, _ADDRESS.sub("]", _CODE.sub("`x`", line))


def hits(paths: Iterable[str] = (), *, with_code: bool = False) -> list[Hit]:
    """All hits, of ``paths`` (files or folders) only where some are given.

    ``with_code`` adds docstrings, comments and other strings of Python files.
    """
    wanted = tuple(path.rstrip("/") for path in paths)
    problems = {*page_hits(), *document_hits(), *(code_hits() if with_code else ())}
    return sorted(hit for hit in problems if not wanted or _is_under(hit.owner, wanted))


def _is_under(owner: str, folders: Iterable[str]) -> bool:
    return any(owner == folder or owner.startswith(f"{folder}/") for folder in folders)


def _forms(value: object) -> list[str]:
    forms = [value] if isinstance(value, str) else list(value or ())  # type: ignore[call-overload]
    return [str(form) for form in forms if form]


def _is_help(owners: list[str]) -> bool:
    return all(_is_under(owner, HELP_TEXTS) for owner in owners)


@cache
def _sources(owner: str) -> list[tuple[str, list[str]]]:
    path = ROOT / owner
    files = [path] if path.is_file() else sorted(path.rglob("*.*"))
    return [
        (file.relative_to(ROOT).as_posix(), file.read_text("utf-8").splitlines())
        for file in files
        if file.suffix in (".py", ".html", ".js", ".yaml")
    ]


def _line_of(owner: str, text: str) -> str:
    """``file:line`` at which ``text`` begins, or the file alone."""
    for length in (60, 30, 15):
        start = text[:length].split("\n")[0].rstrip()
        for name, lines in _sources(owner):
            for number, line in enumerate(lines, 1):
                if start in line:
                    return f"{name}:{number}"
    return owner


def main(arguments: list[str]) -> int:
    """Print the hits; 1 where there are some. ``--code`` includes docstrings and comments."""
    paths = [argument for argument in arguments if argument != "--code"]
    problems = hits(paths, with_code="--code" in arguments)
    for hit in problems:
        print(hit)
    print(f"{len(problems)} hits in {len({hit.owner for hit in problems})} files")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
