"""``lspci``, ``lsmod`` and ``dmesg``, as far as the detection of cards asks them."""

import re
from collections.abc import Sequence

from simulator.lib import world

_DIE = re.compile(r"vacc(\d+)")


def dies() -> list[int]:
    """Ids of the dies that are there."""
    devices = world.root() / "dev"
    names = [path.name for path in devices.iterdir()] if devices.is_dir() else []
    return sorted(int(match[1]) for name in names if (match := _DIE.fullmatch(name)))


def lspci(argv: Sequence[str]) -> int:
    """A line for each die with ``-d:0100``; else a bridge as well."""
    text = " ".join(argv)
    if "-d" not in text:
        world.out("00:00.0 Host bridge: Intel Corporation Device 09a2 (rev 20)")
    elif not re.search(r"-d\s*:0?100\b", text):
        return 0
    for number in dies():
        card, die = divmod(number, 4)
        world.out(
            f"{0x18 + 2 * card:02x}:00.{die} Processing accelerators: "
            f"Device 1ec9:0100 ({world.MARK})"
        )
    return 0


def lsmod(argv: Sequence[str]) -> int:
    """The driver's module, where there is a card."""
    world.out("Module                  Size  Used by")
    if dies():
        world.out("vastai_pci           1654784  0")
    world.out("nvme                   49152  2")
    return 0


def dmesg(argv: Sequence[str]) -> int:
    """Boot messages, with those of the IOMMU if it is on."""
    world.out("[    0.000000] Linux version 5.15.0-139-generic")
    if world.fault("iommu_on"):
        world.out("[    0.081234] DMAR: IOMMU enabled\n[    9.412345] vastai_pci: iommu is enable")
    for number in dies():
        world.out(
            f"[    9.5{number:02d}000] vastai_pci 0000:{0x18 + number:02x}:00.0: die {number} ready"
        )
    return 0
