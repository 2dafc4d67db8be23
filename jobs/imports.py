"""Import of results that others measured: files in, readings or reasons out.

Archives are unpacked in memory. A lying size, an endless stream or a path outside is refused.
Storage of imported results is in `services.imports`.
"""

import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.utils.translation import gettext as _

from jobs.base import bounds, grouped
from jobs.base.bounds import LONGEST_PATH, MOST_FILES
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.base.sanitize import sanitize_text
from jobs.tools.evalscope.eval_reading import EvalscopeEval
from jobs.tools.evalscope.perf_reading import EvalscopePerf
from jobs.tools.foreign_imports import Aiperf, LmEval
from jobs.tools.guidellm.reading import Guidellm
from jobs.tools.imports import Bundle, ImportRefusal, Reader, Reading, attempt, checked
from jobs.tools.opencompass.reading import Opencompass
from jobs.tools.vllm.imports import VllmLatency, VllmLog, VllmServe, VllmThroughput

# Message -> texts of a file, each of which shows it; of a tuple, all together. The first counts.
_Known = dict[str, tuple[bytes | tuple[bytes, ...], ...]]
_JSON: _Known = {
    "import:aiperf_requests": ((b'"benchmark_phase"', b'"request_start_ns"'),),
    "import:aiperf_server": ((b'"endpoint_url"', b'"series"'),),
    "import:evalscope_beside": (
        *(b'"Percentiles"', b'"cum_completion"', b'"steady_state"'),
        (b'"tokenizer_path"', b'"parallel"'),
    ),
    "import:lm_eval_samples": ((b'"doc_id"', b'"filtered_resps"'),),
    "import:opencompass_part": ((b'"origin_prompt"', b'"prediction"'),),
    "import:answer": ((b'"choices"', b'"message"'),),
    "import:server_state": (
        *(b'"n_ctx"', b'"default_generation_settings"'),
        (b'"object":"list"', b'"data"'),
    ),
}
_TEXT: _Known = {
    "import:aiperf_rounded": (b"Metric,avg,min,max,sum", b"NVIDIA AIPerf", b"AIPerf System"),
    "import:evalscope_rounded": (b"Performance Test Summary Report",),
    "import:evalscope_log": (b"evalscope",),
    "import:guidellm_console": (
        *(b"Benchmarking complete, generated", b"guidellm", b"Generative Benchmark"),
    ),
    "import:lm_eval_console": (b"lm_eval", (b"num_fewshot: ", b"|  Tasks  |")),
    "import:opencompass_log": (b"OpenICLInfer", b"OpenICLEval", b"opencompass", b"OpenCompass"),
    "import:quantise_log": (b"llama_model_quantize", b"quant size"),
    "import:counters": (b"vllm:num_requests_running", b"llamacpp:"),
    "import:answer": (b'"choices"', b"chat.completion.chunk"),
    "import:server_log": (
        *(b"print_timing", b"llama_model_loader", b"(APIServer pid=", b"vLLM API server"),
        (b"srv ", b"slot "),
    ),
}
_SET_RESULT = pattern(rb'\s*\{\s*"(?:accuracy|error|score)"\s*:')


class NotResults(Reader):
    """Logs, counters and parts of results: files of known tools without a result."""

    is_fallback = True

    def claims(self, bundle: Bundle, path: str) -> bool:
        return _message(bundle.files[path]) is not None

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """One refusal per reason, with the file to import instead."""
        reasons = grouped((_message(bundle.files[path]) or "", path) for path in own)
        return [ImportRefusal(tuple(paths), Message(name)) for name, paths in reasons.items()]


def _message(content: bytes) -> str | None:
    for name, known in (_JSON if content.lstrip()[:1] in (b"{", b"[") else _TEXT).items():
        for texts in known:
            if all(text in content for text in (texts if isinstance(texts, tuple) else (texts,))):
                return name
    return "import:opencompass_part" if _SET_RESULT.match(content) else None


# A file belongs to the first reader that claims it.
READERS: tuple[Reader, ...] = (
    *(VllmServe(), VllmThroughput(), VllmLatency(), Guidellm(), Aiperf(), EvalscopePerf()),
    *(EvalscopeEval(), LmEval(), Opencompass(), VllmLog(), NotResults()),
)


@dataclass(frozen=True, slots=True)
class Recognised:
    """Results in an upload, refusals with reasons, and files that belong to neither."""

    readings: tuple[Reading, ...]
    refusals: tuple[ImportRefusal, ...]
    unused: tuple[str, ...]


def recognise(files: Mapping[str, bytes]) -> Recognised:
    """Results in ``files`` (path -> content). Logs count only without a result file."""
    bundle = Bundle(files)
    readings: list[Reading] = []
    refusals: list[ImportRefusal] = []
    free = list(bundle.files)
    for reader in READERS:
        own = [path for path in free if reader.claims(bundle, path)]
        if not own or (reader.is_fallback and (readings or refusals)):
            continue
        free = [path for path in free if path not in own]
        results = attempt(own, reader.read, bundle, own)
        for one in [results] if isinstance(results, ImportRefusal) else map(checked, results):
            if isinstance(one, Reading):
                readings.append(one)
            else:
                refusals.append(one)
    if not readings and not refusals:
        refusals.append(ImportRefusal(tuple(free), Message("import:unknown")))
    found: list[Reading | ImportRefusal] = [*readings, *refusals]
    used = {path for one in found for path in one.files}
    unused = tuple(path for path in bundle.files if path not in used)
    return Recognised(tuple(readings), tuple(refusals), unused)


_GZIP = b"\x1f\x8b"
_OTHERS = (b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_JUNK = frozenset((".DS_Store", "__MACOSX", "Thumbs.db", "__pycache__", ".git"))
_PIECE = 64 * 1024
_TAR_OVERHEAD = 10 * 1024 * 1024


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
            raise _too_many()
        self.left -= len(content)
        if self.left < 0:
            raise too_large(self.limit)
        unique, number = path, 2
        while unique in self:  # several uploads of one name
            unique, number = f"{number}/{path}", number + 1
        self[unique] = content

    def filled(self) -> dict[str, bytes]:
        if not any(self.values()):
            raise _error(_("The files are empty. Choose a result file."))
        return dict(self)


def too_large(limit_bytes: int) -> LaunchError:
    text = _(
        "The files have more than %(most)s MB (IMPORT_LIMIT). Import a part of them, or ask an "
        "administrator to raise the limit."
    )
    return _error(text % {"most": round(limit_bytes / 1e6, 1)})


def _too_many() -> LaunchError:
    return _error(_("More than %(most)s files. Import a part of them.") % {"most": MOST_FILES})


def pasted(text: str) -> Mapping[str, bytes]:
    return {"pasted.txt": text.replace("\r\n", "\n").encode("utf-8", errors="replace")}


def read_uploads(uploads: Iterable[tuple[str, bytes]], *, limit_bytes: int) -> dict[str, bytes]:
    """Path -> content; archives are unpacked. Raises LaunchError, at ``files``: too large, too
    many, damaged, or a path outside."""
    files = _Files(limit_bytes)
    for name, content in uploads:
        _add(files, name, content)
    return files.filled()


def read_paths(paths: Iterable[Path], *, limit_bytes: int) -> dict[str, bytes]:
    """Path -> content of files and folders of this computer. Links are not followed. Raises
    LaunchError, at ``files``: as :func:`read_uploads`, or a path cannot be read."""
    files = _Files(limit_bytes)
    for path in paths:
        try:
            if not path.is_dir():
                _add(files, path.name, _read(path, files))
                continue
            # Own name of the folder first: that of an OpenCompass run has its time.
            top = path.resolve()
            for root, folders, names in os.walk(top):
                folders[:] = sorted(set(folders) - _JUNK)
                for file in (Path(root, name) for name in sorted(names)):
                    if file.is_file() and not file.is_symlink():
                        inside = PurePosixPath(top.name, file.relative_to(top).as_posix())
                        files.put(str(inside), _read(file, files))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise _error(_("%(path)s: %(reason)s.") % {"path": path, "reason": reason}) from error
    return files.filled()


def _read(path: Path, files: _Files) -> bytes:
    with path.open("rb") as file:
        content = file.read(files.left + 1)
    if len(content) > files.left:
        raise too_large(files.limit)
    return content


def _add(files: _Files, name: str, content: bytes) -> None:
    if content.startswith(b"PK\x03\x04"):
        _unzip(files, name, content)
    elif content.startswith(_GZIP):
        plain = _gunzip(files, name, content)
        if _is_tar(plain):
            _untar(files, name, plain)
        else:
            files.put(name.removesuffix(".gz"), plain)
    elif _is_tar(content):
        _untar(files, name, content)
    elif content.startswith(_OTHERS):
        raise _error(_("%(name)s: pack the files as .zip or .tar.gz.") % {"name": name})
    else:
        files.put(name, content)


def _unzip(files: _Files, name: str, content: bytes) -> None:
    # The end record has the size of the list of files, which may take long to read (PKZIP APPNOTE
    # 6.3, section 4.3.16).
    at = content.rfind(b"PK\x05\x06")
    size = int.from_bytes(content[at + 12 : at + 16], "little") if at >= 0 else 0
    if size > bounds.ZIP_DIRECTORY_BYTES:
        raise _too_many()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            if len(members) > MOST_FILES:
                raise _too_many()
            for member in members:
                with archive.open(member) as file:
                    files.put(member.filename, file.read(files.left + 1))
    # RuntimeError: encrypted, or an unknown compression.
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise _damaged(name, error) from error


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
                raise too_large(files.limit)
            at += len(piece) - len(unpacker.unused_data or unpacker.unconsumed_tail)
    return bytes(plain)


def _is_tar(content: bytes) -> bool:
    return content[257:262] == b"ustar"


def _untar(files: _Files, name: str, content: bytes) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is not None:
                    files.put(member.name, file.read(files.left + 1))
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise _damaged(name, error) from error


def _path(name: str) -> str | None:
    """A relative path; None for files of an operating system. Raises LaunchError: the path leads
    outside, or is too long."""
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
