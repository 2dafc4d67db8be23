"""A host on the dashboard's own computer: its row, and the file that its worker and agent read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.conf import settings

from dashboard.config import env
from dashboard.config.host_env import env_text
from jobs.base.files import write_atomic
from jobs.base.valkey import user_of, with_login
from jobs.services import hosts


def write_own_host(
    name: str, host_type: str, *, secret: str, folder: Path, lines: Mapping[str, str], **fields: int
) -> Path:
    """Add or update the host, and write its ``host.env`` in ``folder``; return the file's path.

    ``secret`` names the file of its key; ``fields`` are further fields of its row. With the
    embedded Valkey the host has a user of its own; in another Redis it is the dashboard's.
    """
    made = hosts.keep_own(name, host_type, env.kept_secret(settings.DATA_DIR, secret), **fields)
    redis_url = settings.REDIS_URL
    if made.valkey_password:
        redis_url = with_login(redis_url, user_of(name), made.valkey_password)
    path = folder / "host.env"
    credentials = {"REDIS_URL": redis_url, "HOST_KEY": made.key}
    write_atomic(path, env_text({"HOST_NAME": name, **lines, **credentials}).encode(), mode=0o600)
    return path
