"""The card of a data set: its parts and their files, from the YAML at the head of ``README.md``.

A host has no YAML library: this reads the subset that hubs write, and refuses the rest. Where a
card names no files, names of files decide, as in the library ``datasets``.
"""

import re
from collections import deque
from collections.abc import Sequence
from typing import Any

# Patterns of files by split, by part; None: the card gives no files, so names of files decide.
Parts = dict[str, dict[str, list[str]] | None]

_Lines = deque[tuple[int, str]]  # indent and text
_DEEPEST = 8  # levels of the section; hubs write 4
_TRAIN = "train"  # split of files that have no other
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NO_DATA = ("config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json")
_QUOTED = re.compile(r"([\"'])([^\"'\\]*)\1(\s+#.*)?")
_SHARD = re.compile(r"data/([^/]+)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_KEY = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*):(?: |$)")


class UnreadableError(ValueError):
    """The card has its parts in another form than hubs write."""


def parts_of(card: str) -> Parts:
    lines = _section(card, "configs")
    if not lines:
        return {}
    listed = _value(lines, 0)
    if lines or not isinstance(listed, list):
        raise UnreadableError
    parts: Parts = {}
    for item in listed:
        if not isinstance(item, dict):
            raise UnreadableError
        parts[str(item.get("config_name", "default"))] = _files(item)
    return parts


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


def _section(card: str, key: str) -> _Lines:
    head, *lines = card.splitlines() or [""]
    found: _Lines = deque()
    is_inside = False
    if head.strip() != "---":
        return found
    for line in lines:
        text = line.strip()
        if line.startswith("---"):
            break
        if is_inside and text and not line.startswith((" ", "-", "#")):
            break
        if is_inside and text and not text.startswith("#"):
            found.append((len(line) - len(line.lstrip(" ")), text))
        if line.partition(":")[0] == key:
            if text != f"{key}:":
                raise UnreadableError
            is_inside = True
    return found


def _value(lines: _Lines, depth: int) -> Any:
    """Take the list or mapping at the front, to the end of its indent."""
    if depth > _DEEPEST:
        raise UnreadableError
    indent, text = lines[0]
    taken = _list(lines, indent, depth) if _is_item(text) else _mapping(lines, indent, depth)
    if lines and lines[0][0] > indent:
        raise UnreadableError
    return taken


def _list(lines: _Lines, indent: int, depth: int) -> list[Any]:
    items: list[Any] = []
    while lines and lines[0][0] == indent and _is_item(lines[0][1]):
        _indent, text = lines.popleft()
        rest = text[1:].lstrip()
        if not rest:
            raise UnreadableError
        if _KEY.match(rest):
            lines.appendleft((indent + len(text) - len(rest), rest))
            items.append(_value(lines, depth + 1))
        else:
            items.append(_scalar(rest))
    return items


def _mapping(lines: _Lines, indent: int, depth: int) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    while lines and lines[0][0] == indent and not _is_item(lines[0][1]):
        _indent, text = lines.popleft()
        key = _KEY.match(text)
        if key is None:
            raise UnreadableError
        rest = text[len(key[1]) + 1 :].strip()
        if rest:
            mapping[key[1]] = _scalar(rest)
        elif lines and (lines[0][0] > indent or (lines[0][0] == indent and _is_item(lines[0][1]))):
            mapping[key[1]] = _value(lines, depth + 1)
        else:
            raise UnreadableError
    return mapping


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _scalar(text: str) -> str:
    if quoted := _QUOTED.fullmatch(text):
        return quoted[2]
    if text[0] in "\"'{[&*!|>%@`":
        raise UnreadableError
    return text.split(" #")[0].rstrip()
