"""Import what an environment is for and write the versions of all that is in it to versions.json.

Runs inside the environment: its own Python is the one that is asked.
"""

import importlib
import importlib.metadata
import json
import operator
import platform
import sys
import time
from pathlib import Path


def main():
    """Exit 1 when a module named on the command line cannot be imported. ``module:attribute`` needs
    the attribute too: a package may log a failed import and go on."""
    name, *modules = sys.argv[1:]
    for word in modules:
        module, _, attribute = word.partition(":")
        began = time.monotonic()
        try:
            imported = importlib.import_module(module)
        except ImportError as error:
            sys.exit(f"error: {module} cannot be imported: {error}")
        try:
            if attribute:
                operator.attrgetter(attribute)(imported)
        except AttributeError:
            sys.exit(f"error: {module} has no {attribute} after the imports")
        print(f"import {module}: {time.monotonic() - began:.2f} s", flush=True)
    versions = {item.name: item.version for item in importlib.metadata.distributions()}
    folder = Path(sys.prefix)
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
    report = {
        "name": name,
        "path": str(folder),
        "python": platform.python_version(),
        "bytes": size,
        "versions": dict(sorted(versions.items(), key=lambda item: item[0].lower())),
    }
    Path("versions.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["versions"], indent=1), flush=True)
    print(f"{name}: {len(versions)} packages, {size / 1e6:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
