"""Files of people: strict YAML, and folders that are written whole, one writer at a time."""

import fcntl
import os
import stat
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from yaml.nodes import MappingNode

from jobs.base.files import opened, write_atomic


class NotYaml(ValueError):
    """Invalid YAML. ``reason``: the parser's message in English; ``line`` from 1, None: unknown."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(f"{reason} in line {line}" if line else reason)
        self.reason, self.line = reason, line


Entry = TypeVar("Entry", bound=BaseModel)  # with an ``id``
_MOST_REPORTED = 5  # errors of a file


# libyaml is ten times faster; every wheel of PyYAML has it, but not every build.
class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Loader of plain data: no tags, no duplicate keys."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.YAMLError(f"written twice: {', '.join(twice)}")
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def load(text: str) -> Any:
    """Return the data of a document. ``NotYaml``: invalid, or not plain data."""
    try:
        # A short file with aliases could expand without limit.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        return yaml.load(text, Loader=_Loader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise NotYaml(error.problem or "not YAML", mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise NotYaml(" ".join(str(error).split())[:200] or "not YAML") from error


def read_as(schema: type[Entry], text: str, stem: str | None) -> Entry:
    """Return the entry in the ``text`` of the file ``stem``.yaml; None: in no file yet. Raises
    ``ValueError``: the errors with their places, on one line: "sampling.top_p: …"."""
    try:
        entry: Any = schema.model_validate(load(text))
    except ValidationError as error:
        # Without quoting the file.
        faults = [
            f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        ]
        left = len(faults) - _MOST_REPORTED
        more = [f"and {left} more"] if left > 0 else []
        raise ValueError("; ".join([*faults[:_MOST_REPORTED], *more])[:1000]) from error
    if stem not in (None, entry.id):
        raise ValueError(f"the id is {entry.id}: rename the file to {entry.id}.yaml")
    return cast(Entry, entry)


def load_folder(folder: Path, schema: type[Entry]) -> list[Entry]:
    """Return the entries of a folder, one YAML file each, named after its id."""
    entries = []
    for path in folder.glob("*.yaml"):
        try:
            entries.append(read_as(schema, path.read_text(encoding="utf-8"), path.stem))
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from error
    return entries


def load_by_id(schema: type[Entry], *paths: Path) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    of_schema: TypeAdapter[list[Any]] = TypeAdapter(list[schema])  # type: ignore[valid-type]
    for path in paths:
        for entry in of_schema.validate_python(load(path.read_text(encoding="utf-8"))):
            if entry.id in entries:
                raise ValueError(f"{path.name} has the id {entry.id} a second time")
            entries[entry.id] = entry
    return entries


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder's files against other threads and other dashboards."""
    with opened(folder, os.O_RDONLY | os.O_DIRECTORY) as descriptor:
        with suppress(OSError):  # some network shares cannot lock a folder: continue without a lock
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def write(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write the file atomically. A new file is readable for all, subject to the umask."""
    write_atomic(path, content, mode=0o644 if mode is None else mode)
    if mode is not None:
        path.chmod(mode)  # the umask took rights away
