"""Containers and images as ``ps``, ``images`` and ``inspect`` show them."""

import fnmatch
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from simulator.lib import world

Item = Mapping[str, Any]
PS_COLUMNS = (
    ("CONTAINER ID", "ID"),
    ("IMAGE", "Image"),
    ("COMMAND", "Command"),
    ("CREATED", "RunningFor"),
    ("STATUS", "Status"),
    ("PORTS", "Ports"),
    ("NAMES", "Names"),
)
IMAGES_COLUMNS = (
    ("REPOSITORY", "Repository"),
    ("TAG", "Tag"),
    ("IMAGE ID", "ID"),
    ("CREATED", "CreatedSince"),
    ("SIZE", "Size"),
)
FILTERS: dict[str, Callable[[Item, str], bool]] = {
    "name": lambda item, value: (
        value.strip("^/$") in item["name"]
        if not value.startswith("^")
        else item["name"] == value.strip("^/$")
    ),
    "label": lambda item, value: _has_label(item["labels"], value),
    "status": lambda item, value: item["state"] == value,
    "id": lambda item, value: item["id"].startswith(value),
    "ancestor": lambda item, value: fnmatch.fnmatch(item["image"], f"{value}*"),
}


def _has_label(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def table(rows: Sequence[Item], columns: Sequence[tuple[str, str]]) -> str:
    """Docker's own table: columns three blanks apart."""
    grid = [[title for title, _ in columns]]
    grid += [[str(row[key]) for _, key in columns] for row in rows]
    widths = [max(len(line[at]) for line in grid) for at in range(len(columns))]
    lines = []
    for cells in grid:
        pairs = zip(cells, widths, strict=True)
        lines.append("   ".join(cell.ljust(width) for cell, width in pairs).rstrip())
    return "\n".join(lines) + "\n"


def ago(moment: float) -> str:
    """ "3 minutes", as docker rounds."""
    seconds = int(time.time() - moment)
    if seconds < 1:
        return "Less than a second"
    if seconds < 60:
        return f"{seconds} second{'s' if seconds != 1 else ''}"
    if seconds < 120:
        return "About a minute"
    if seconds < 3600:
        return f"{seconds // 60} minutes"
    if seconds < 7200:
        return "About an hour"
    return f"{seconds // 3600} hours"


def container_row(item: Item) -> dict[str, Any]:
    """The fields of ``ps --format``."""
    if item["state"] == "running":
        status = f"Up {ago(item['started'])}"
    elif item["state"] == "exited":
        status = f"Exited ({item['exit_code']}) {ago(item.get('finished', 0))} ago"
    else:
        status = "Created"
    ports = [f"0.0.0.0:{host}->{inside}/tcp" for inside, host in item["ports"].items()]
    return {
        "ID": item["id"][:12],
        "Image": item["image"],
        "Command": '"' + " ".join(item["argv"])[:18] + '"',
        "CreatedAt": _stamp(item["created"]),
        "RunningFor": f"{ago(item['created'])} ago",
        "Status": status,
        "State": item["state"],
        "Ports": ", ".join(ports),
        "Names": item["name"],
        "Labels": ",".join(f"{key}={value}" for key, value in item["labels"].items()),
        "Mounts": ",".join(source for _, source in item["mounts"]),
        "Networks": item["network"],
        "_labels": item["labels"],
    }


def image_row(image: Item) -> dict[str, Any]:
    """The fields of ``images --format``."""
    name, _, tag = image["ref"].rpartition(":")
    return {
        "Repository": name,
        "Tag": tag,
        "ID": image["id"].removeprefix("sha256:")[:12],
        "CreatedSince": f"{ago(image['created'])} ago",
        "CreatedAt": _stamp(image["created"]),
        "Size": f"{image['size'] / 1e9:.1f}GB",
        "Digest": image["id"],
    }


def container_details(item: Item) -> dict[str, Any]:
    """Return the parts of ``inspect`` of a container that matter."""
    is_running = item["state"] == "running"
    return {
        "Id": item["id"],
        "Created": _iso(item["created"]),
        "Name": f"/{item['name']}",
        "Image": item["image_id"],
        "State": {
            "Status": item["state"],
            "Running": is_running,
            "OOMKilled": False,
            "Pid": item.get("pid", 0) if is_running else 0,
            "ExitCode": item["exit_code"],
            "StartedAt": _iso(item.get("started", 0)),
            "FinishedAt": _iso(item.get("finished", 0)),
        },
        "Config": {
            "Image": item["image"],
            "Cmd": item["argv"],
            "Labels": dict(item["labels"]),
            "WorkingDir": item["workdir"],
            "Env": [f"{key}={value}" for key, value in item["env"].items()],
        },
        "HostConfig": {
            "NetworkMode": item["network"],
            "Privileged": item["privileged"],
            "AutoRemove": item["rm"],
        },
        "Mounts": [
            {"Type": "bind", "Source": source, "Destination": target, "RW": True}
            for target, source in item["mounts"]
        ],
    }


def image_details(image: Item) -> dict[str, Any]:
    """Return the parts of ``inspect`` of an image that matter."""
    return {
        "Id": image["id"],
        "RepoTags": [image["ref"]],
        "RepoDigests": [],
        "Created": _iso(image["created"]),
        "Size": image["size"],
        "Architecture": "amd64",
        "Os": "linux",
        "Config": {
            "Labels": {"note": world.MARK},
            "WorkingDir": "/workspace",
            "Cmd": ["/bin/bash"],
        },
    }


def is_image(image: Item, name: str) -> bool:
    """True when the image goes by that name or id."""
    named = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    plain = name.removeprefix("sha256:")
    short = len(plain) >= 4 and image["id"].removeprefix("sha256:").startswith(plain)
    return image["ref"] == named or short


def as_json(items: Sequence[Item]) -> str:
    """A list as ``inspect`` prints it."""
    return json.dumps(items, indent=4, ensure_ascii=False) if items else "[]"


def _iso(moment: float) -> str:
    if not moment:
        return "0001-01-01T00:00:00Z"
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment)) + ".000000000Z"


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S +0000 UTC", time.gmtime(moment))
