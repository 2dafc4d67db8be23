"""Settings of pip commands: progress output and the host's configuration."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobs.plans import literal
from jobs.tools.lib.site import Site

# Colour and progress bars despite file output: the log renders them like a terminal.
_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("FORCE_COLOR", "1"),
    ("COLUMNS", "100"),
)


def environment(site: Site) -> tuple[tuple[str, str], ...]:
    """Return the environment of a pip command. Index, proxy and cache are the host's.

    With a wheels folder, no index is used. The folder is given as a URL, because pip splits this
    variable at spaces.
    """
    if not site.wheels_dir:
        return _ENV
    url = PurePosixPath(site.wheels_dir).as_uri()
    return (*_ENV, ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", literal(url)))
