"""Files of public data sets: which of them EvalScope reads, and which are missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jobs.host.base.config import Config
from jobs.host.checks import cards
from jobs.host.checks.results import CheckResult, bad, good
from jobs.host.probe import probe

_MOST_COUNTED = 2000  # files of a data set
_DATA = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".arrow", ".txt", ".gz", ".zip")
_CARD = "README.md"
_CARD_BYTES = 1_000_000


def data_files(config: Config, args: Mapping[str, str]) -> CheckResult:
    """One of ``paths``, a line each, is a file or a folder with files, for ``tool``."""
    paths = args["paths"].split("\n")
    for place in map(Path, paths):
        files, size, more = _counted(place)
        if files:
            counts = {"files": files, "size": probe.size_text(size)}
            message = "data_files_many" if more else "data_files"
            return good(message, tool=args["tool"], path=str(place), **counts)
    return bad("data_files_missing", tool=args["tool"], path=paths[0])


def data_set(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The folder ``path`` has data of the set ``name``, and its ``card``, where one is named.

    ``splits``: names with commas between them, each of which has files in each of ``parts``.
    Without: the files of ``repository`` belong there.
    """
    folder, card = Path(args["path"]), args["card"]
    about = {"name": args["name"], "repository": args["repository"], "path": args["path"]}
    if not any(_data_of(folder)):
        return bad("data_set_missing", **about)
    if card and not _is_there(folder / card):
        return bad("data_set_card_missing", **about, card=card)
    splits = [split for split in args.get("splits", "").split(",") if split]
    lacking = _lacking(folder, args.get("parts", "").split(","), splits)
    if lacking is not None:
        message, details = lacking
        return bad(message, **about, **details)
    return good("data_set", name=args["name"], path=args["path"])


def _lacking(
    folder: Path, names: Iterable[str], splits: Iterable[str]
) -> tuple[str, dict[str, str]] | None:
    """Return message and details of what is missing first; None: nothing, or the card is written
    in a way that only EvalScope can read."""
    card = folder / _CARD
    try:
        with card.open("rb") as file:
            text = file.read(_CARD_BYTES).decode(errors="replace")
        parts = cards.parts_of(text)
    except OSError:
        parts = {}
    except cards.UnreadableError:
        return None
    for name in names:
        if not parts and not name:
            lacking = _not_inferred(folder, splits)
        else:
            lacking = _not_on_card(folder, parts, name, splits)
        if lacking is not None:
            return lacking
    return None


def _not_inferred(folder: Path, splits: Iterable[str]) -> tuple[str, dict[str, str]] | None:
    """Without a card, names of files and folders tell their split."""
    found = cards.inferred([path.relative_to(folder).as_posix() for path in _data_of(folder)])
    missing = next((split for split in splits if split not in found), None)
    if missing is None:
        return None
    return "data_set_split_missing", {"split": missing, "found": ", ".join(sorted(found))}


def _not_on_card(
    folder: Path, parts: cards.Parts, name: str, splits: Iterable[str]
) -> tuple[str, dict[str, str]] | None:
    """Every split that the card names for a part needs its files: none is read without."""
    if not name:  # EvalScope names none: the only part, or the default one
        name = "default" if "default" in parts else next(iter(parts)) if len(parts) == 1 else ""
        if not name:
            return None
    if name not in parts:
        return "data_set_part_missing", {"part": name, "card": _CARD}
    files = parts[name]
    if files is None:
        return None
    unnamed = next((split for split in splits if split not in files), None)
    if unnamed is not None:
        return "data_set_split_unnamed", {"part": name, "split": unnamed, "card": _CARD}
    for split, patterns in files.items():
        missing = _unmatched(folder, patterns)
        if missing:
            details = {"part": name, "split": split, "files": ", ".join(missing)}
            return "data_set_files_missing", details
    return None


def _unmatched(folder: Path, patterns: list[str]) -> list[str]:
    """Return patterns without a file: every plain one of those, or all if none has a file."""
    without = [one for one in patterns if not any(map(_is_there, _matching(folder, one)))]
    plain = [one for one in without if not cards.is_pattern(one)]
    return plain or (without if len(without) == len(patterns) else [])


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    if not cards.is_pattern(pattern):
        return iter((folder / pattern,))
    return folder.glob(f"{pattern}/*" if pattern.endswith("**") else pattern)


def _data_of(folder: Path) -> Iterator[Path]:
    """Yield files of the folder with data."""
    found = folder.rglob("*") if folder.is_dir() else ()
    return (item for item in found if item.suffix in _DATA and _is_there(item))


def _counted(place: Path) -> tuple[int, int, bool]:
    """Return files of ``place`` and their bytes; True: there are more than were counted."""
    found = [place] if place.is_file() else place.rglob("*") if place.is_dir() else ()
    files = size = 0
    for item in found:
        if item.is_file():
            files, size = files + 1, size + item.stat().st_size
        if files >= _MOST_COUNTED:
            return files, size, True
    return files, size, False


def _is_there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0
