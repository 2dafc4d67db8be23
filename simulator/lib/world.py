"""The made-up world: where its state lies, how fast its time runs, what is to go wrong in it."""

import contextlib
import json
import os
import random
import secrets
import sys
import tempfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

# Goes where a real tool has room for free text, so that no file of ours is taken for a real one.
MARK = "simulated"
LIB = Path(__file__).resolve().parent
BIN = LIB.parent / "bin"

FAULTS = (
    "missing_shard",
    "wrong_backend",
    "port_busy",
    "oom",
    "die_vanished",
    "zip_not_unpacked",
    "compile_error",
    "exit0_no_result",
    "opencompass_all_dash",
    "second_set_waits",
    "benchmark_waits",
    "iommu_on",
    "disk_full",
    "image_missing",
    "docker_down",
    "kv_too_small",
    "gated_repo",
    "download_stalls",
    "config_mismatch",
    "server_dies_midway",
    "result_dir_missing",
    "slow_die",
)


def state() -> Path:
    """The folder that holds containers, images and faults; made when it is not there."""
    default = Path(tempfile.gettempdir(), f"standins-{os.getuid()}")
    folder = Path(os.environ.get("STANDIN_STATE") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def root() -> Path:
    """Stand-in of the VACC host's ``/``: ``/dev/vacc*`` and the like are below it."""
    named = os.environ.get("STANDIN_ROOT") or os.environ.get("HOST_ROOT")
    return Path(named) if named else state() / "root"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file that others read meanwhile: they find the old text or the new, whole."""
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.chmod(mode)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def speed() -> float:
    """Seconds of the made-up world in one of ours."""
    return max(float(os.environ.get("STANDIN_SPEED") or 60), 1e-3)


def scale() -> float:
    """The size of a made-up file, as a share of the real one's."""
    return float(os.environ.get("STANDIN_SCALE") or 1e-5)


def scaled_bytes(size: int) -> int:
    """Size of our copy of a file of ``size`` bytes."""
    return max(64, int(size * scale()))


def sleep(seconds: float) -> None:
    """Let so many seconds of the made-up world pass."""
    time.sleep(max(0.0, seconds) / speed())


def since(moment: float) -> float:
    """Seconds of the made-up world since ``moment`` of ``time.monotonic()``."""
    return (time.monotonic() - moment) * speed()


def faults() -> set[str]:
    """Faults that are on now: ``STANDIN_FAULTS=a,b`` and ``faults.json``, a list of names."""
    names = {name for name in os.environ.get("STANDIN_FAULTS", "").split(",") if name}
    with contextlib.suppress(OSError, ValueError):
        names |= set(json.loads((state() / "faults.json").read_text(encoding="utf-8")))
    return names


def fault(name: str) -> bool:
    """True when ``name`` is to go wrong now."""
    assert name in FAULTS, name
    return name in faults()


def seeded(*what: object) -> random.Random:
    """Random numbers that are the same for the same ``what``, in every process."""
    return random.Random(zlib.crc32("\0".join(map(str, what)).encode()))


# -- inside a container ---------------------------------------------------------------------------


def image() -> str:
    """The image of the container that this process runs in; "" outside."""
    return os.environ.get("STANDIN_IMAGE", "")


def real(path: str | os.PathLike[str]) -> Path:
    """The file that ``path`` means: the same outside, through mounts and own files inside."""
    text = os.fspath(path)
    if not image():
        return Path(text)
    return outside(str(PurePosixPath(cwd(), text)), os.environ)


def outside(inside: str, environ: Mapping[str, str]) -> Path:
    """Path on the machine of a file of the container with this environment."""
    path = PurePosixPath(os.path.normpath(inside))
    mounts = json.loads(environ.get("STANDIN_MOUNTS") or "[]")
    for target, source in sorted(mounts, key=lambda pair: -len(pair[0])):
        if path.is_relative_to(target):
            return Path(source, path.relative_to(target))
    return Path(environ["STANDIN_ROOTFS"], path.relative_to("/"))


def cwd() -> str:
    """The folder that this process works in, as it sees it itself."""
    return os.environ.get("STANDIN_CWD") or str(Path.cwd())


def port(number: int) -> int | None:
    """The host's port behind ``number``; None: it leads nowhere from outside this container."""
    if not image() or os.environ.get("STANDIN_NETWORK") == "host":
        return number
    published = json.loads(os.environ.get("STANDIN_PORTS") or "{}").get(str(number))
    return int(published) if published is not None else None


def vllm_version() -> str:
    """The vLLM of this image: the guide's 0.7.2, or the current 0.17.0."""
    named = os.environ.get("STANDIN_VLLM_VERSION")
    if named:
        return named
    return "0.17.0" if "VVI" in image() else "0.7.2"


# -- talking --------------------------------------------------------------------------------------


def out(text: str = "", end: str = "\n") -> None:
    """Print to stdout, at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()


def err(text: str = "", end: str = "\n") -> None:
    """Print to stderr, at once."""
    sys.stderr.write(text + end)
    sys.stderr.flush()


def full_disk(path: Path) -> OSError:
    """Return the error of writing to a full disk."""
    return OSError(28, "No space left on device", str(path))
