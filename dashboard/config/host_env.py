"""The file that makes a machine a host of this dashboard: ``make worker ENV=host.env``."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from dashboard.config.env import LOOPBACK, kept_secret
from jobs.access import valkey_users
from jobs.base.files import write_atomic
from jobs.base.valkey import hostname_of, socket_of, user_of, with_login
from jobs.services import hosts
from jobs.services.hosts import Credentials

# Settings that a host with VACC cards most likely needs; docs/run/settings.md lists all.
OPTIONAL = """\
# HOST_WORKSPACE=/nfs/workspace
# HOST_REGISTRY=registry.lan
# HOST_MODIFICATION_DIR=/nfs/workspace/vendor/modification
# AGENT_ALLOWED_PROGRAMS="default nvcc"
# AGENT_ALLOWED_PATHS=default:/data/models
# HOST_LOG_LIMIT=100G
# HOST_DISK_RESERVE=1G
# HOST_KEEP_SPOOLS=7d
"""


def env_text(lines: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in lines.items())


def host_file(name: str, made: Credentials) -> str:
    """Return the text of ``host.env`` of a host. It holds the host's key: store it with mode
    0600."""
    redis_url = settings.HOST_REDIS_URL.replace("{host}", name)
    lines = {
        "HOST_NAME": name,
        "HOST_KEY": made.key,
        "DASHBOARD_URL": settings.PUBLIC_URL,
        "REDIS_URL": redis_url.replace("{password}", made.valkey_password),
    }
    return f"{env_text(lines)}HOST_DIR=~/vacc-host\n{OPTIONAL}"


def write_own_host(
    name: str, host_type: str, *, secret: str, folder: Path, lines: Mapping[str, str], **fields: int
) -> Path:
    """Add or update a host on the dashboard's own computer, and write its ``host.env`` in
    ``folder``; return the file's path.

    ``secret`` names the file of its key; ``fields`` are further fields of its row. With the
    embedded Valkey the host has a user of its own; in another Redis it is the dashboard's.
    """
    made = hosts.keep_own(name, host_type, kept_secret(settings.DATA_DIR, secret), **fields)
    redis_url = settings.REDIS_URL
    if made.valkey_password:
        redis_url = with_login(redis_url, user_of(name), made.valkey_password)
    path = folder / "host.env"
    credentials = {"REDIS_URL": redis_url, "HOST_KEY": made.key}
    write_atomic(path, env_text({"HOST_NAME": name, **lines, **credentials}).encode(), mode=0o600)
    return path


def out_of_reach() -> list[str]:
    """Names of the variables without which no other machine reaches this dashboard."""
    missing = []
    if urlsplit(settings.PUBLIC_URL).hostname in LOOPBACK:
        missing.append("PUBLIC_URL")
    url = settings.HOST_REDIS_URL
    if not url or socket_of(url) or hostname_of(url) in LOOPBACK:
        is_ours = valkey_users.are_managed() or not settings.REDIS_URL
        missing.append("VALKEY_LISTEN" if is_ours else "HOST_REDIS_URL")
    return missing
