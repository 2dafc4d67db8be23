"""Files of an import: an upload, a paste, an archive or a folder, within limits.

Archives are unpacked in memory. A lying size, an endless stream or a path outside is refused.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from jobs.base import bounds
from jobs.base.bounds import LONGEST_PATH, MOST_FILES
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize_text

PASTED = "pasted.txt"
_CHUNK = 1024 * 1024
_PIECE = 64 * 1024
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_TAR = (257, b"ustar")
_OTHERS = (b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_JUNK = frozenset((".DS_Store", "__MACOSX", "Thumbs.db", "__pycache__", ".git"))
_TAR_OVERHEAD = 10 * _CHUNK


class _Files(dict[str, bytes]):
    """Collected files. ``left``: bytes that still fit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__()
        self.limit = self.left = limit_bytes

    def put(self, name: str, content: bytes) -> None:
        path = _path(name)
        if path is None:
            return
        if len(self) >= MOST_FILES:
            raise _error(
                _("More than %(most)s files. Import a part of them.") % {"most": MOST_FILES}
            )
        self.left -= len(content)
        if self.left < 0:
            raise self.too_large()
        unique, number = path, 2
        while unique in self:  # several uploads of one name
            unique, number = f"{number}/{path}", number + 1
        self[unique] = content

    def too_large(self) -> LaunchError:
        """Return the refusal of too many bytes."""
        return too_large(self.limit)


def too_large(limit_bytes: int) -> LaunchError:
    """Return the refusal of more than ``limit_bytes``."""
    text = _(
        "The files have more than %(most)s MB (IMPORT_LIMIT). Import a part of them, or ask an "
        "administrator to raise the limit."
    )
    return _error(text % {"most": round(limit_bytes / 1e6, 1)})


def read_uploads(uploads: Iterable[tuple[str, bytes]], *, limit_bytes: int) -> dict[str, bytes]:
    """Return path -> content of uploaded files; archives are unpacked.

    Raises:
        LaunchError: at ``files``: too large, too many, damaged, or a path outside.
    """
    files = _Files(limit_bytes)
    for name, content in uploads:
        _add(files, name, content)
    return _filled(files)


def read_paths(paths: Iterable[Path], *, limit_bytes: int) -> dict[str, bytes]:
    """Return path -> content of files and folders of this computer. Links are not followed.

    Raises:
        LaunchError: at ``files``: as :func:`read_uploads`, or a path cannot be read.
    """
    files = _Files(limit_bytes)
    for path in paths:
        try:
            if path.is_dir():
                # Own name of the folder first: that of an OpenCompass run has its time.
                top = path.resolve()
                for root, folders, names in os.walk(top):
                    folders[:] = sorted(set(folders) - _JUNK)
                    for name in sorted(names):
                        file = Path(root, name)
                        if file.is_file() and not file.is_symlink():
                            inside = PurePosixPath(top.name, file.relative_to(top).as_posix())
                            files.put(str(inside), _read(file, files))
            else:
                _add(files, path.name, _read(path, files))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise _error(_("%(path)s: %(reason)s.") % {"path": path, "reason": reason}) from error
    return _filled(files)


def _filled(files: _Files) -> dict[str, bytes]:
    if not any(files.values()):
        raise _error(_("The files are empty. Choose a result file."))
    return dict(files)


def _read(path: Path, files: _Files) -> bytes:
    with path.open("rb") as file:
        content = file.read(files.left + 1)
    if len(content) > files.left:
        raise files.too_large()
    return content


def _add(files: _Files, name: str, content: bytes) -> None:
    if content.startswith(_ZIP):
        _unzip(files, name, content)
    elif content.startswith(_GZIP):
        plain = _gunzip(files, name, content)
        inner = name.removesuffix(".gz")
        _untar(files, name, plain) if _is_tar(plain) else files.put(inner, plain)
    elif _is_tar(content):
        _untar(files, name, content)
    elif content.startswith(_OTHERS):
        raise _error(_("%(name)s: pack the files as .zip or .tar.gz.") % {"name": name})
    else:
        files.put(name, content)


def _unzip(files: _Files, name: str, content: bytes) -> None:
    try:
        _check_directory(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > MOST_FILES:
                text = _("More than %(most)s files. Import a part of them.")
                raise _error(text % {"most": MOST_FILES})
            for member in members:
                with archive.open(member) as file:
                    data = file.read(files.left + 1)
                files.put(member.filename, data)
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise _damaged(name, error) from error
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise _damaged(name, error) from error


def _check_directory(content: bytes) -> None:
    """Refuse a list of files that takes long to read: its end record has its size (PKZIP
    APPNOTE 6.3, section 4.3.16)."""
    at = content.rfind(b"PK\x05\x06")
    size = int.from_bytes(content[at + 12 : at + 16], "little") if at >= 0 else 0
    if size > bounds.ZIP_DIRECTORY_BYTES:
        raise _error(_("More than %(most)s files. Import a part of them.") % {"most": MOST_FILES})


def _gunzip(files: _Files, name: str, content: bytes) -> bytes:
    """Unpack at most what fits, plus the headers of a tar."""
    most, plain = files.left + _TAR_OVERHEAD, bytearray()
    at, members = 0, 0
    while content.startswith(_GZIP, at):  # parallel packers write several members
        members += 1
        if members > bounds.GZIP_MEMBERS:
            raise _damaged(name, ValueError(f"more than {bounds.GZIP_MEMBERS} members"))
        unpacker = zlib.decompressobj(wbits=31)
        while not unpacker.eof:
            piece = content[at : at + _PIECE]
            if not piece:
                raise _damaged(name, EOFError("cut off"))
            try:
                plain += unpacker.decompress(piece, most + 1 - len(plain))
            except zlib.error as error:
                raise _damaged(name, error) from error
            if len(plain) > most:
                raise files.too_large()
            at += len(piece) - len(unpacker.unused_data or unpacker.unconsumed_tail)
    return bytes(plain)


def _untar(files: _Files, name: str, content: bytes) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    files.put(member.name, file.read(files.left + 1))
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise _damaged(name, error) from error


def _is_tar(content: bytes) -> bool:
    start, mark = _TAR
    return content[start : start + len(mark)] == mark


def _path(name: str) -> str | None:
    """Return a relative path; None for files of an operating system.

    Raises:
        LaunchError: the path leads outside, or is too long.
    """
    clean = "".join(
        char if char.isprintable() else "�" for char in sanitize_text(name.replace("\\", "/"))
    )
    parts = [part for part in clean.split("/") if part not in ("", ".")]
    if clean.startswith("/") or ".." in parts or not parts or clean[1:2] == ":":
        shown = clean[:LONGEST_PATH]
        raise _error(_("%(path)s leads outside of the archive. Pack it again.") % {"path": shown})
    if len("/".join(parts)) > LONGEST_PATH:
        text = _("A path has more than %(most)s characters: %(path)s…")
        raise _error(text % {"most": LONGEST_PATH, "path": clean[:80]})
    if _JUNK.intersection(parts) or parts[-1].startswith("._"):
        return None
    return "/".join(parts)


def _damaged(name: str, error: Exception) -> LaunchError:
    text = _("%(name)s cannot be unpacked (%(reason)s). Pack it again without a password.")
    return _error(text % {"name": sanitize_text(name)[:80], "reason": str(error)[:200]})


def _error(text: str) -> LaunchError:
    return LaunchError(text, "files")


def pasted(text: str) -> Mapping[str, bytes]:
    """Return a pasted table or JSON as a file."""
    return {PASTED: text.replace("\r\n", "\n").encode("utf-8", errors="replace")}
