"""A host on the dashboard's own computer: its row, and the file that its worker and agent read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from dashboard.config import env
from dashboard.config.host_env import env_text
from jobs.services import hosts


def write_own_host(
    name: str, host_type: str, *, secret: str, folder: Path, lines: Mapping[str, str], **fields: int
) -> Path:
    """Add or update the host, and write its ``host.env`` in ``folder``; return the file's path.

    ``secret`` names the file of its key; ``fields`` are further fields of its row.
    """
    key = env.kept_secret(settings.DATA_DIR, secret)
    hosts.keep_own(name, host_type, key, **fields)
    path = folder / "host.env"
    env.write_private(path, env_text({"HOST_NAME": name, "HOST_KEY": key, **lines}))
    return path
