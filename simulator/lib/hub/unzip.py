"""``unzip``: the machine's own, or Python's where there is none; and once nothing at all."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from simulator.lib import world
from simulator.lib.hub import web


def main(argv: Sequence[str]) -> int:
    """Run ``unzip``; its exit code."""
    operands = [word for word in argv if not word.startswith("-")]
    if not operands:
        world.out("UnZip 6.00 of 20 April 2009, by Debian.")
        return 0
    if world.fault("zip_not_unpacked"):
        world.out(f"Archive:  {operands[0]}")
        return 0
    web.hand_over("unzip", argv)
    return _unpack(operands[0], list(argv))


def _unpack(name: str, argv: list[str]) -> int:
    target = Path(argv[argv.index("-d") + 1]) if "-d" in argv else Path()
    try:
        with zipfile.ZipFile(name) as archive:
            world.out(f"Archive:  {name}")
            archive.extractall(target)
    except FileNotFoundError:
        world.err(f"unzip:  cannot find or open {name}, {name}.zip or {name}.ZIP.")
        return 9
    except zipfile.BadZipFile:
        world.err(
            "  End-of-central-directory signature not found.  Either this file is not\n"
            "  a zipfile, or it constitutes one disk of a multi-part archive."
        )
        return 9
    return 0
