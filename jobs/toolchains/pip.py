"""What every pip command needs to tell its progress and obey the host's settings."""

from __future__ import annotations

from pathlib import PurePosixPath

from jobs.plans import literal
from jobs.toolchains.site import Site

# Colour and progress bars although the output is a file: the log shows them as a terminal would.
_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
    ("FORCE_COLOR", "1"),
    ("COLUMNS", "100"),
)


def environment(site: Site) -> tuple[tuple[str, str], ...]:
    """Environment of a pip command. Everything else (index, proxy, cache) is the host's own.

    With a folder of wheels nothing is asked of any index. The folder is given as a URL, because pip
    splits this variable at spaces.
    """
    if not site.wheels_dir:
        return _ENV
    url = PurePosixPath(site.wheels_dir).as_uri()
    return (*_ENV, ("PIP_NO_INDEX", "1"), ("PIP_FIND_LINKS", literal(url)))
