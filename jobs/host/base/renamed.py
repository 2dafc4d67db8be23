"""Former names of settings: a start refuses them and names the present ones.

Standard library only: the dashboard's settings use it too.
"""

from __future__ import annotations

from collections.abc import Mapping

# A host's settings: former name -> present name.
RENAMED = {
    "HOST_PROGRAMS": "AGENT_ALLOWED_PROGRAMS",
    "HOST_ROOTS": "AGENT_ALLOWED_PATHS",
}


def refuse_former_names(
    values: Mapping[str, str], renamed: Mapping[str, str], error: type[Exception]
) -> None:
    """Refuse ``values`` that set a former name of ``renamed``; an empty value is not set.

    Raises:
        error: a former name is set; the message has the present name.
    """
    for old, new in renamed.items():
        if values.get(old):
            raise error(f"{old} is now called {new}. Set {new} instead and remove {old}.")
