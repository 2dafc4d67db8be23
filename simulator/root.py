"""Builds the made-up ``/`` of a VACC host: ``root.py FOLDER [--dies N]``.

Files that a probe reads of such a host are below it: devices, kernel, driver, tools. Run it
again after the faults were changed; the daemon of the stand-in docker does so by itself.
"""

import argparse
import shutil
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator.lib import world
from simulator.lib.host import conda

DIES = 32
CONDA = "root/miniconda3"  # its bin/ comes into the host's PATH
DRIVER = "00.25.12.30 d3_3_v2_9_a3_1 a76bf37 20251230"
COMPILER = "ai-v3.0.0-20250814"
_FLAGS = (
    "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat sse sse2 avx avx2 "
    "avx512f avx512dq avx512cd avx512bw avx512vl amx_bf16"
)


def build(folder: Path, dies: int = DIES) -> None:
    """Make or renew everything below ``folder``."""
    files = {
        "dev/vastai0": "",
        "dev/vastai0_version": f"Driver Version: {DRIVER}\nNote: {world.MARK}\n",
        "proc/cpuinfo": _cpuinfo(4),
        "usr/lib/libvaml.so": world.MARK,
        "usr/bin/vasmi": world.MARK,
        "opt/vastai/vaststream/version.txt": f"{COMPILER}\n",
        "opt/va/vaststream/tools_env.sh": f"# {world.MARK}\n",
    }
    for number in range(dies):
        files[f"dev/vacc{number}"] = ""
    _write(folder, files)
    (folder / "dev/shm").mkdir(exist_ok=True)
    if not (folder / CONDA / "bin").is_dir():
        conda.furnish(folder / CONDA)
    conda.write_program(folder / CONDA / "bin/conda", "conda")
    set_iommu(folder, on=world.fault("iommu_on"))


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        world.write(path, text)


def set_iommu(folder: Path, *, on: bool) -> None:
    """Say in the kernel's own places whether the IOMMU is on."""
    line = "BOOT_IMAGE=/boot/vmlinuz-5.15.0-139-generic root=UUID=0 ro quiet"
    path = folder / "proc/cmdline"
    path.parent.mkdir(parents=True, exist_ok=True)
    world.write(path, f"{line} intel_iommu={'on' if on else 'off'}\n")
    groups = folder / "sys/kernel/iommu_groups"
    groups.mkdir(parents=True, exist_ok=True)
    if on:
        (groups / "0").mkdir(exist_ok=True)
    else:
        shutil.rmtree(groups / "0", ignore_errors=True)


def _cpuinfo(cores: int) -> str:
    return "\n".join(
        f"processor\t: {number}\nvendor_id\t: GenuineIntel\n"
        f"model name\t: Intel(R) Xeon(R) Gold 6530 ({world.MARK})\nflags\t\t: {_FLAGS}\n"
        for number in range(cores)
    )


def main() -> None:
    """Build as the command line says."""
    parser = argparse.ArgumentParser(description="Build the made-up / of a VACC host.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dies", type=int, default=DIES)
    args = parser.parse_args()
    build(args.folder, args.dies)


if __name__ == "__main__":
    main()
