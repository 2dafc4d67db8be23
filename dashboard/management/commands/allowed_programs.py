"""Write the default list of permitted programs of hosts, from the job types."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap
from typing import Any

from dashboard.management.base import PlainCommand
from jobs.host.claim import programs
from jobs.kinds import CLIENTS, PROGRAMS

TEMPLATE = '''\
"""Programs of the kinds of job, for the host's policy; its own settings may permit less or more.

Written by ``manage.py allowed_programs`` from ``jobs.kinds``. Those need Django, which no host has.
"""

PROGRAMS = frozenset(
    {{
{programs}
    }}
)
# These send requests to a server and get a model name; others load a folder.
CLIENTS = frozenset(
    {{
{clients}
    }}
)
'''


class Command(PlainCommand):
    def handle(self, *_args: Any, **_options: Any) -> None:
        # A file of the host's code: nothing that is sent to a host can change it.
        Path(programs.__file__).write_text(text(), encoding="utf-8")
        self.stdout.write(f"{len(PROGRAMS)} programs: {', '.join(sorted(PROGRAMS))}")


def text() -> str:
    return TEMPLATE.format(programs=_lines(PROGRAMS), clients=_lines(CLIENTS))


def _lines(names: Iterable[str]) -> str:
    lines = wrap(", ".join(f'"{name}"' for name in sorted(names)), 86, break_on_hyphens=False)
    return "\n".join(f"        *[{line.rstrip(',')}]," for line in lines)
