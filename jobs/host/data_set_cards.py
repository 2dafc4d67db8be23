"""The card of a data set: its parts and their files, from the YAML at the head of ``README.md``.

Where a card names no files, names of files decide, as in the library ``datasets``.
"""

import re
from collections.abc import Sequence
from typing import Any

import yaml

# Patterns of files by split, by part; None: the card gives no files, so names of files decide.
Parts = dict[str, dict[str, list[str]] | None]

# Every value is its text, and no mapping takes over another, which a card could do without end.
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_TRAIN = "train"  # split of files that have no other
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NO_DATA = ("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json")
_SHARD = re.compile(r"data/([^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]*")


class UnreadableError(ValueError):
    """The card has its parts in another form than hubs write."""


def parts_of(card: str) -> Parts:
    begin, _line, text = card.partition("\n")
    if begin.strip() != "---":
        return {}
    try:
        about = yaml.load(text.partition("\n---")[0], _LOADER)  # noqa: S506 -- makes texts only
    except (yaml.YAMLError, RecursionError) as error:
        raise UnreadableError from error
    listed = about.get("configs", []) if isinstance(about, dict) else []
    if not all(isinstance(item, dict) for item in listed):
        raise UnreadableError
    return {str(item.get("config_name", "default")): _files(item) for item in listed}


def inferred(paths: Sequence[str]) -> set[str]:
    """Return splits of files by their names; ``paths`` are relative to the folder."""
    paths = [path for path in paths if path.rpartition("/")[2] not in _NO_DATA]
    shards = {match[1] for path in paths if (match := _SHARD.fullmatch(path))}
    if shards:
        return shards
    for is_folder in (True, False):
        found = {
            split
            for split, words in _KEYWORDS.items()
            if any(_is_named(path, words, is_folder=is_folder) for path in paths)
        }
        if found:
            return found
    return {_TRAIN} if paths else set()


def _is_named(path: str, words: Sequence[str], *, is_folder: bool) -> bool:
    """True if a folder, or the file, has one of the words between separators."""
    *folders, file = path.split("/")
    after = r"([-._ 0-9].*)?" if is_folder else r"[-._ 0-9].*"
    one = re.compile(rf"(.*[-._ 0-9])?({'|'.join(words)})" + after)
    return any(one.fullmatch(name) for name in (folders if is_folder else [file]))


def _files(part: dict[str, Any]) -> dict[str, list[str]] | None:
    """Patterns by split of a part; None: it gives none, or a folder only."""
    files = part.get("data_files")
    if files is None or "data_dir" in part:
        return None
    if isinstance(files, dict):
        return {split: _patterns(path) for split, path in files.items()}
    if isinstance(files, str) or all(isinstance(item, str) for item in files):
        return {_TRAIN: _patterns(files)}
    if not all(isinstance(item, dict) and "split" in item and "path" in item for item in files):
        raise UnreadableError
    return {str(item["split"]): _patterns(item["path"]) for item in files}


def _patterns(given: Any) -> list[str]:
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list) or not patterns:
        raise UnreadableError
    for one in patterns:
        # Files elsewhere are not in the folder.
        if not isinstance(one, str) or not one or "://" in one or one.startswith("/"):
            raise UnreadableError
        if "**" in one.replace("/**/", "/").removeprefix("**/").removesuffix("/**"):
            raise UnreadableError  # a pattern that this computer's library reads otherwise
    return patterns
