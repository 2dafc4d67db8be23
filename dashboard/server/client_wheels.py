"""Wheels of the client `vacc`: its own, made from `client/`, and those of its dependencies."""

import base64
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import tomllib

_CLIENT = Path(__file__).parents[2] / "client"
# bootstrap.py collects them beside the environment of the dashboard.
DEPENDENCIES = Path(sys.prefix) / "client"
_MADE_AT = (2026, 1, 1, 0, 0, 0)  # the same sources make the same bytes


class Wheel(NamedTuple):
    """A wheel's content, and its hash in hex."""

    content: bytes
    sha256: str


def wheels() -> Mapping[str, Wheel]:
    """Return each wheel by its name; the first is the client's own. Each file is read once."""
    others = sorted(DEPENDENCIES.glob("*.whl"))
    return _read(tuple((path, path.stat().st_mtime_ns) for path in others))


def is_complete() -> bool:
    """True if all dependencies were collected: ``bootstrap.py`` then leaves the lock's hash."""
    return (DEPENDENCIES / ".sha256").exists()


@lru_cache(maxsize=1)
def _read(files: tuple[tuple[Path, int], ...]) -> Mapping[str, Wheel]:
    name, content = own_wheel()
    contents = {name: content, **{path.name: path.read_bytes() for path, _changed_ns in files}}
    return {name: Wheel(data, hashlib.sha256(data).hexdigest()) for name, data in contents.items()}


@cache
def own_wheel() -> tuple[str, bytes]:
    """Return name and content of the client's wheel. A wheel is a zip file with metadata
    (PEP 427): no build tool is needed while the dashboard runs."""
    about = tomllib.loads((_CLIENT / "pyproject.toml").read_text())["project"]
    stem = f"{about['name'].replace('-', '_')}-{about['version']}"
    folder = f"{stem}.dist-info"
    files = {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for path in sorted((_CLIENT / "vacc_client").iterdir())
        if path.suffix in (".py", ".typed")
    }
    scripts = "".join(f"{name} = {target}\n" for name, target in about["scripts"].items())
    files |= {
        f"{folder}/METADATA": _metadata(about).encode(),
        f"{folder}/WHEEL": (
            b"Wheel-Version: 1.0\nGenerator: vacc-dashboard\n"
            b"Root-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        f"{folder}/entry_points.txt": f"[console_scripts]\n{scripts}".encode(),
    }
    record = "".join(f"{name},{_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _MADE_AT)
            entry.external_attr = 0o644 << 16
            wheel.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return f"{stem}-py3-none-any.whl", written.getvalue()


def _metadata(about: dict[str, Any]) -> str:
    lines = [
        "Metadata-Version: 2.1",
        f"Name: {about['name']}",
        f"Version: {about['version']}",
        f"Summary: {about['description']}",
        f"Requires-Python: {about['requires-python']}",
        *(f"Requires-Dist: {one}" for one in about["dependencies"]),
    ]
    for extra, needs in about["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += (f"Requires-Dist: {one} ; extra == '{extra}'" for one in needs)
    return "\n".join(lines) + "\n"


def _digest(data: bytes) -> str:
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={found.decode()}"
