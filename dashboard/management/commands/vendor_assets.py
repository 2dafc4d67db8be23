"""Fetch the files of static/vendor/VENDORED.json from npm and check their SHA-256. With --check:
only check existing files, offline."""

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from dashboard.management import base

LIST = Path(settings.BASE_DIR) / "static" / "vendor" / "VENDORED.json"
_SOURCE_MAP = re.compile(rb"\n?(?://[#@] ?sourceMappingURL=[^\n]*|/\*# sourceMappingURL=.*?\*/)")
_OLDER_FONTS = re.compile(rb',url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)')


class Command(base.PlainCommand):
    arguments = (
        base.flag("--check", "only check, offline"),
        base.flag("--record", "record the SHA-256 of files without one; inspect them first"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        listed = json.loads(LIST.read_text())
        if not options["check"]:
            for package in listed["packages"]:
                _fetch(package, record=options["record"])
                self.stdout.write(f"{package['package']} {package['version']}")
            LIST.write_text(json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
        wrong = problems(listed)
        if wrong:
            raise CommandError("\n".join(wrong))


def problems(listed: dict[str, Any], base: Path = LIST.parents[2]) -> list[str]:
    """Return vendored files that are missing, altered or unlisted; empty if all match."""
    faults = []
    known = {LIST}
    for package in listed["packages"]:
        for name, file in package["files"].items():
            path = base / package["folder"] / name
            known.add(path)
            if not path.is_file():
                faults.append(f"{path.relative_to(base)} is missing: run manage.py vendor_assets")
            elif _sha256(path.read_bytes()) != file["sha256"]:
                faults.append(f"{path.relative_to(base)} is not the file that VENDORED.json names")
    folders = {base / package["folder"] for package in listed["packages"]}
    for folder in folders | {base / "static" / "vendor"}:
        for path in folder.rglob("*"):
            if path.is_file() and path not in known:
                faults.append(f"{path.relative_to(base)} is not in VENDORED.json")
    return sorted(set(faults))


def edited(content: bytes, edits: list[str]) -> bytes:
    """Return ``content`` without a source map or older fonts, as VENDORED.json names."""
    if "no-source-map" in edits:
        content = _SOURCE_MAP.sub(b"", content)
    if "woff2-only" in edits:
        content = _OLDER_FONTS.sub(b"", content)
    return content


def _fetch(package: dict[str, Any], *, record: bool) -> None:
    """Write the package's files, with the listed SHA-256 only."""
    with tempfile.TemporaryDirectory() as folder:
        name = f"{package['package']}@{package['version']}"
        done = subprocess.run(
            ["npm", "pack", name, "--silent", "--pack-destination", folder],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CommandError(f"npm pack {name} failed: {done.stderr.strip()}")
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as tar:
            for target, file in package["files"].items():
                member = tar.extractfile(f"package/{file['from']}")
                if member is None:
                    raise CommandError(f"{name} has no file {file['from']}")
                content = edited(member.read(), file.get("edits", []))
                digest = _sha256(content)
                if record and not file["sha256"]:
                    file["sha256"] = digest
                if digest != file["sha256"]:
                    raise CommandError(f"{name}: {file['from']} is {digest}: not as listed")
                path = Path(settings.BASE_DIR) / package["folder"] / target
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
