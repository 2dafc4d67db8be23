"""Write down what an image of docker is, to image.json: its id, its size, the versions inside.

The versions are asked of the Python in the image, in a container without network that is gone
again at once; an image without a response is reported without them.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ASK_S = 120
PACKAGES = ("vllm", "vllm_vacc", "torch", "torch_vacc", "transformers")
VERSIONS = f"""
import importlib.metadata as m, json, platform
versions = {{"python": platform.python_version()}}
for name in {PACKAGES!r}:
    try:
        versions[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(versions))
"""


def docker(*arguments):
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=ASK_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        print(f"docker {' '.join(arguments[:2])}: {done.stderr.strip()[-2000:]}", file=sys.stderr)
    return done.stdout, done.returncode


def versions(name):
    """Package -> version inside the image; empty when it does not tell."""
    argv = ("run", "--rm", "--network", "none", "--entrypoint", "python3", name, "-c", VERSIONS)
    try:
        output, code = docker(*argv)
        packages = json.loads(output.strip().splitlines()[-1]) if code == 0 else {}
    except (ValueError, IndexError, subprocess.TimeoutExpired) as error:
        print(f"versions in {name} are unknown: {error!r}", file=sys.stderr)
        return {}
    if not isinstance(packages, dict):
        return {}
    return {str(key): str(value) for key, value in packages.items()}


def inspect(name):
    output, code = docker("image", "inspect", name)
    if code:
        raise ValueError(f"docker has no image {name}")
    try:
        (about,) = json.loads(output)
        return {
            "name": name,
            "id": about["Id"],
            "created": about.get("Created", ""),
            "bytes": int(about.get("Size", 0)),
            "architecture": about.get("Architecture", ""),
            "tags": about.get("RepoTags") or [],
            "versions": versions(name),
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"docker image inspect returned unknown output: {error!r}") from error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    args = parser.parse_args()
    try:
        report = inspect(args.name)
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        sys.exit(f"error: {error}")
    text = json.dumps(report, indent=1)
    Path("image.json").write_text(text + "\n", encoding="utf-8")
    print(text, flush=True)


if __name__ == "__main__":
    main()
