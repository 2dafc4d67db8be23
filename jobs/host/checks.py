"""Checks of a host before a job starts, by name: seconds at most, nothing changed.

Each gets the host's settings and its arguments, and returns what it found.
"""

import json
import logging
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from jobs.base.errors import PlanError
from jobs.base.numbers import size_text
from jobs.host import probe
from jobs.host.base import engine_http
from jobs.host.base.config import Config
from jobs.host.data_set_cards import Parts, UnreadableError, inferred, parts_of
from jobs.plans import Check, Plan, fill_text

TIMEOUT_S = 10.0  # of docker, and of a server's whole answer
LONGEST = 4 * 1024 * 1024  # bytes of a list of models
INDEX = "model.safetensors.index.json"
# The deployment guide, Build_In, step 1.2: what a Qwen distill needs beside its weights.
MODIFIED = (
    "modeling_qwen2_vacc.py",
    "configuration_qwen2_vacc.py",
    "quantization_vacc.py",
    "config_vacc.json",
)
# Values of config.json that must be equal in config_vacc.json.
CONSTANTS = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "vocab_size", "rope_theta", "rms_norm_eps", "eos_token_id"),
)
_MOST_COUNTED = 2000  # files of a data set
_DATA = (".parquet", ".jsonl", ".json", ".csv", ".tsv", ".arrow", ".txt", ".gz", ".zip")
_CARD = "README.md"
_CARD_BYTES = 1_000_000
_PATTERN = re.compile(r"[*?[]")
log = logging.getLogger(__name__)


class CheckResult(NamedTuple):
    """Pass or fail of a check, with message id and arguments."""

    holds: bool
    message_id: str
    args: Mapping[str, Any]


def good(message_id: str, /, **args: Any) -> CheckResult:
    return CheckResult(True, f"check:{message_id}", args)


def bad(message_id: str, /, **args: Any) -> CheckResult:
    return CheckResult(False, f"check:{message_id}", args)


def run(config: Config, plan: Plan, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """Run a plan's checks; a finding for each, in the plan's order. ``{"name", "level",
    "message_id", "message_args"}``; level: *ok* holds, *warn* does not and a person may go on,
    *failed* does not, *unknown* could not be checked."""
    found = ((check.name, *_found(config, check, values)) for check in plan.checks)
    return [
        {"name": name, "level": level, "message_id": message_id, "message_args": dict(args)}
        for name, level, message_id, args in found
    ]


def _found(
    config: Config, check: Check, values: Mapping[str, str]
) -> tuple[str, str, Mapping[str, Any]]:
    known = CHECKS.get(check.name)
    if known is None:  # a newer dashboard knows more checks
        return "unknown", "check:unknown", {"name": check.name}
    try:
        args = {key: fill_text(value, values) for key, value in check.args}
    except PlanError:  # what fills the slot is made by a job before this one
        return "unknown", "check:later", {"check": check.name}
    try:
        result = known(config, args)
    except (OSError, ValueError, LookupError) as error:
        log.warning("check %s: %s", check.name, error)
        return "unknown", "check:broke", {"name": check.name, "problem": str(error)}
    level = "ok" if result.holds else "warn" if check.asks else "failed"
    return level, result.message_id, result.args


# The machine


def dies(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The device files of these dies (``ids``, between commas) are there."""
    wanted = [number for number in args["ids"].split(",") if number]
    there = {str(die["id"]) for die in probe.dies_below(config.root / "dev")}
    missing = [number for number in wanted if number not in there]
    if missing:
        return bad("dies_missing", dies=", ".join(missing))
    return good("dies", count=len(wanted))


def iommu(config: Config, args: Mapping[str, str]) -> CheckResult:
    return bad("iommu_on") if probe.iommu_is_on(config.root) else good("iommu_off")


def avx512(config: Config, args: Mapping[str, str]) -> CheckResult:
    cpu = probe.cpu(config.root)
    if cpu["avx512"]:
        return good("avx512", cpu=cpu["model"])
    return bad("avx512_missing", cpu=cpu["model"])


def shm(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Shared memory can hold ``bytes``."""
    wanted = int(int(args["bytes"]) * config.scale)
    stat = os.statvfs(config.root / "dev/shm")
    total = stat.f_frsize * stat.f_blocks
    sizes = {"wanted": size_text(wanted), "total": size_text(total)}
    return good("shm", **sizes) if total >= wanted else bad("shm_small", **sizes)


def tool(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The program ``name`` is there, in ``version`` or newer where that is given."""
    name, wanted = args["name"], args.get("version", "").rstrip("+")
    if shutil.which(name) is None:
        return bad("tool_missing", tool=name)
    version = (probe.tool(name) or {}).get("version", "") if name in probe.TOOLS else ""
    if wanted and version and _numbers(version) < _numbers(wanted):
        return bad("tool_old", tool=name, version=version, wanted=wanted)
    return good("tool", tool=name, version=version)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def conda(config: Config, args: Mapping[str, str]) -> CheckResult:
    """conda is there, with the environment ``env`` where one is named."""
    prefix, env = probe.conda_prefix(), args.get("env", "")
    if not prefix:
        return bad("conda_missing")
    if env and not Path(prefix, "envs", env, "bin").is_dir():
        return bad("conda_env_missing", env=env)
    return good("conda", path=prefix)


# Docker


def docker(config: Config, args: Mapping[str, str]) -> CheckResult:
    if shutil.which("docker") is None:
        return bad("tool_missing", tool="docker")
    code, output = _docker("version", "--format", "{{.Server.Version}}")
    return good("docker", version=output) if code == 0 else bad("docker_down", problem=output)


def image(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The image ``name`` is on this host. Returns its id (SHA-256 of its configuration) too."""
    code, output = _docker("image", "inspect", "--format", "{{.Id}}", args["name"])
    if code == 0:
        return good("image", image=args["name"], id=output)
    if "no such" in output.lower():
        return bad("image_missing", image=args["name"])
    return bad("docker_down", problem=output)


def container(config: Config, args: Mapping[str, str]) -> CheckResult:
    """No container is called ``name``, so that one can be."""
    code, output = _docker("ps", "-a", "-q", "--filter", f"name=^{args['name']}$")
    if code != 0:
        return bad("docker_down", problem=output)
    return bad("container_there", name=args["name"]) if output else good("container", **args)


def _docker(*arguments: str) -> tuple[int | None, str]:
    """Docker's exit code (None: it did not run) and its last line of output."""
    answer = probe.run_command(["docker", *arguments], TIMEOUT_S)
    lines = (answer.out if answer.code == 0 else answer.err).strip().splitlines()
    return answer.code, lines[-1][:300] if lines else ""


# Ports and servers


def port(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Nothing listens on ``port``."""
    number = int(args["port"])
    if is_free(number):
        return good("port", port=number)
    holder = listener(number)
    return bad("port_held", port=number, holder=holder) if holder else bad("port_busy", port=number)


def is_free(port: int) -> bool:
    """On any address."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("0.0.0.0", port))  # noqa: S104 -- never listens
        except OSError:
            return False
    return True


def listener(port: int) -> str:
    """ "vllm (process 123)"; "" if this user may not see it."""
    sockets = {f"socket:[{inode}]" for inode in _listening(port)}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # ended meanwhile, or of another user
            for file in folder.iterdir():
                with suppress(FileNotFoundError):  # closed meanwhile
                    if str(file.readlink()) in sockets:
                        name = (folder.parent / "comm").read_text(errors="replace").strip()
                        return f"{name} (process {folder.parent.name})"
    return ""


def _listening(port: int) -> Iterator[str]:
    """Inodes of the sockets that listen on the port: proc_pid_net(5), state 0A."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def endpoint(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The server at ``url`` answers, and serves ``model`` where one is named."""
    url, model = args["url"], args.get("model", "")
    models = f"{url.rstrip('/')}/v1/models"
    try:
        status, content = engine_http.get(models, within_s=TIMEOUT_S, longest=LONGEST)
    except (OSError, ValueError) as error:
        return bad("endpoint_silent", url=url, problem=str(error))
    if status == 401:  # it has a key, and is there
        return good("endpoint", url=url)
    if status != 200:
        redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
        return bad("endpoint_silent", url=url, problem=f"HTTP {status}{redirect}")
    if model and f'"{model}"'.encode() not in content:
        return bad("endpoint_model", url=url, model=model)
    return good("endpoint", url=url)


# Folders and files


def path(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The file or folder ``path`` is there; ``what`` names its purpose."""
    details = {"path": args["path"], "what": args.get("what", "")}
    there = Path(args["path"]).exists()
    return good("path", **details) if there else bad("path_missing", **details)


def disk(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The disk of ``path``, or of where it will be, has ``bytes`` free, and the host's reserve.
    With ``resumes`` what an earlier download left in ``path`` counts too. ``before``: a JSON list
    of such arguments, which need room on the same disk first."""
    place, wanted = _there(Path(args["path"])), _bytes_wanted(config, args)
    device = place.stat().st_dev
    if wanted:
        before = json.loads(args.get("before", "[]"))
        same = [one for one in before if _there(Path(one["path"])).stat().st_dev == device]
        wanted += sum(_bytes_wanted(config, one) for one in same)
    free = shutil.disk_usage(place).free
    reserve = config.limits.disk_reserve_bytes
    sizes = {"path": args["path"], "wanted": size_text(wanted), "free": size_text(free)}
    if free < wanted:
        return bad("disk_full", **sizes)
    if device == config.dir.stat().st_dev and free - reserve < wanted:
        return bad("disk_reserve", **sizes, reserve=size_text(reserve))
    if not wanted:
        return good("disk_nothing_more", path=sizes["path"], free=sizes["free"])
    return good("disk", **sizes)


def _bytes_wanted(config: Config, args: Mapping[str, str]) -> int:
    wanted = int(int(args["bytes"]) * config.scale)
    if not args.get("resumes"):
        return wanted
    there = Path(args["path"]).rglob("*")
    return max(0, wanted - sum(item.lstat().st_size for item in there if item.is_file()))


def _there(place: Path) -> Path:
    """``place``, or the nearest folder above it that exists."""
    while not place.exists():
        place = place.parent
    return place


def weights(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Every shard that the index of the weights in ``path`` names is there, and not empty."""
    folder = Path(args["path"])
    index = _json(folder / INDEX).get("weight_map")
    if isinstance(index, dict):
        shards = {str(name) for name in index.values()}
    else:
        shards = {item.name for item in folder.glob("*.safetensors")}
    if not shards:
        return bad("weights_missing", path=args["path"])
    missing = [name for name in sorted(shards) if not _is_there(folder / name)]
    if missing:
        return bad("shard_missing", file=missing[0], missing=len(missing), shards=len(shards))
    return good("weights", path=args["path"], shards=len(shards))


def modification(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The changed files are beside the weights in ``path`` and fit the model's own config.json."""
    folder = Path(args["path"])
    missing = [name for name in MODIFIED if not _is_there(folder / name)]
    if missing:
        return bad("modification_missing", path=args["path"], files=", ".join(missing))
    own, changed = _json(folder / "config.json"), _json(folder / "config_vacc.json")
    differ = [name for name in CONSTANTS if own.get(name) != changed.get(name)]
    if differ:
        return bad("modification_differs", path=args["path"], fields=", ".join(differ))
    return good("modification", path=args["path"])


def _is_there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


# Data sets, as EvalScope reads them


def data_files(config: Config, args: Mapping[str, str]) -> CheckResult:
    """One of ``paths``, a line each, is a file or a folder with files, for ``tool``."""
    paths = args["paths"].split("\n")
    for place in map(Path, paths):
        files, size, more = _counted(place)
        if files:
            counts = {"files": files, "size": size_text(size)}
            message = "data_files_many" if more else "data_files"
            return good(message, tool=args["tool"], path=str(place), **counts)
    return bad("data_files_missing", tool=args["tool"], path=paths[0])


def _counted(place: Path) -> tuple[int, int, bool]:
    """Files of ``place`` and their bytes; True: there are more than were counted."""
    found = [place] if place.is_file() else place.rglob("*") if place.is_dir() else ()
    files = size = 0
    for item in found:
        if item.is_file():
            files, size = files + 1, size + item.stat().st_size
        if files >= _MOST_COUNTED:
            return files, size, True
    return files, size, False


def data_set(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The folder ``path`` has data of the set ``name``, and its ``card``, where one is named.
    ``splits``: names with commas between them, each of which has files in each of ``parts``.
    Without: the files of ``repository`` belong there."""
    folder, card = Path(args["path"]), args["card"]
    about = {"name": args["name"], "repository": args["repository"], "path": args["path"]}
    if not any(_data_of(folder)):
        return bad("data_set_missing", **about)
    if card and not _is_there(folder / card):
        return bad("data_set_card_missing", **about, card=card)
    splits = [split for split in args.get("splits", "").split(",") if split]
    if lacking := _lacking(folder, args.get("parts", "").split(","), splits):
        return bad(lacking[0], **about, **lacking[1])
    return good("data_set", name=args["name"], path=args["path"])


def _lacking(
    folder: Path, names: Iterable[str], splits: Iterable[str]
) -> tuple[str, dict[str, str]] | None:
    """Message and details of what is missing first; None: nothing, or the card is written in a way
    that only EvalScope can read."""
    try:
        with (folder / _CARD).open("rb") as file:
            parts = parts_of(file.read(_CARD_BYTES).decode(errors="replace"))
    except OSError:
        parts = {}
    except UnreadableError:
        return None
    for name in names:
        if parts or name:
            if lacking := _not_on_card(folder, parts, name, splits):
                return lacking
            continue
        # Without a card, names of files and folders tell their split.
        found = inferred([path.relative_to(folder).as_posix() for path in _data_of(folder)])
        missing = next((split for split in splits if split not in found), None)
        if missing is not None:
            return "data_set_split_missing", {"split": missing, "found": ", ".join(sorted(found))}
    return None


def _not_on_card(
    folder: Path, parts: Parts, name: str, splits: Iterable[str]
) -> tuple[str, dict[str, str]] | None:
    """Every split that the card names for a part needs its files, also one not asked for."""
    if not name:  # EvalScope names none: the only part, or the default one
        name = "default" if "default" in parts else next(iter(parts)) if len(parts) == 1 else ""
        if not name:
            return None
    if name not in parts:
        return "data_set_part_missing", {"part": name, "card": _CARD}
    files = parts[name]
    if files is None:
        return None
    unnamed = next((split for split in splits if split not in files), None)
    if unnamed is not None:
        return "data_set_split_unnamed", {"part": name, "split": unnamed, "card": _CARD}
    for split, patterns in files.items():
        if missing := _unmatched(folder, patterns):
            files_missing = {"part": name, "split": split, "files": ", ".join(missing)}
            return "data_set_files_missing", files_missing
    return None


def _unmatched(folder: Path, patterns: list[str]) -> list[str]:
    """Return patterns without a file: every plain one of those, or all if none has a file."""
    without = [one for one in patterns if not any(map(_is_there, _matching(folder, one)))]
    plain = [one for one in without if not _PATTERN.search(one)]
    return plain or (without if len(without) == len(patterns) else [])


def _matching(folder: Path, pattern: str) -> Iterator[Path]:
    if not _PATTERN.search(pattern):
        return iter((folder / pattern,))
    return folder.glob(f"{pattern}/*" if pattern.endswith("**") else pattern)


def _data_of(folder: Path) -> Iterator[Path]:
    found = folder.rglob("*") if folder.is_dir() else ()
    return (item for item in found if item.suffix in _DATA and _is_there(item))


CHECKS: dict[str, Callable[[Config, Mapping[str, str]], CheckResult]] = {
    check.__name__: check
    for check in (
        *(dies, iommu, avx512, shm, tool, conda, docker, image, container),
        *(port, endpoint, path, disk, weights, modification, data_files, data_set),
    )
}
