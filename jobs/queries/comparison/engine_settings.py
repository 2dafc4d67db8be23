"""Engine settings, read from the plan that started the server.

The command may be docker's. Container options, names, addresses and values from job slots do not
affect metrics and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jobs.base.errors import PlanError
from jobs.plans import Plan, fill_text

YES, NO = "yes", "no"
# Docker options with a separate value; all other docker options have no separate value.
_DOCKER_TAKES = frozenset(
    ("-e", "-p", "-v", "-w", "--env", "--label", "--name", "--network", "--publish", "--volume")
)
_VARIABLES = ("-e", "--env")
_NAMES = frozenset(("--host", "--port", "--served-model-name", "--alias"))
_OPTION = re.compile(r"--?[A-Za-z]")


def engine_settings(plan: Plan) -> dict[str, str]:
    """Return options (``--NAME``) and container variables (``NAME``) of the serving commands.

    An option without a value is ``YES``.
    """
    settings: dict[str, str] = {}
    for step in plan.steps:
        if step.serves:
            variables, arguments = _taken_apart(step.argv)
            if step.argv[:1] == ("docker",):
                arguments = arguments[1:]  # after the image or the container's name
            for name, value in (*_variables(variables), *_options(arguments)):
                plain = _plain(value)
                if plain is not None and name not in _NAMES:
                    settings[name] = plain
    return settings


def images(plan: Plan) -> list[str]:
    """Return the names of the images that the plan's steps start."""
    names: dict[str, None] = {}
    for step in plan.steps:
        if step.argv[:2] == ("docker", "run"):
            _variables_of, arguments = _taken_apart(step.argv)
            name = _plain(arguments[0]) if arguments else None
            if name is not None:
                names[name] = None
    return list(names)


def without_folder(text: str) -> str:
    """Return the last part of an absolute path: the folder does not affect metrics."""
    return text.rstrip("/").rpartition("/")[2] if text.startswith("/") else text


def _taken_apart(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """Return (variables set by docker, image or container with its command); for other commands, no
    variables and the command.
    """
    if argv[:2] not in (("docker", "run"), ("docker", "exec")):
        return (), argv
    variables: list[str] = []
    place = 2
    while place < len(argv) and argv[place].startswith("-"):
        takes = argv[place] in _DOCKER_TAKES
        if argv[place] in _VARIABLES:
            variables += argv[place + 1 : place + 2]
        place += 2 if takes else 1
    return variables, argv[place:]


def _variables(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Return variables with a value; variables passed from outside have none and may be secret."""
    for word in arguments:
        name, equals, value = word.partition("=")
        if equals:
            yield name, value


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, word in enumerate(arguments):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            after = arguments[place + 1 : place + 2]
            is_alone = not after or _OPTION.match(after[0])
            yield name, value if equals else YES if is_alone else after[0]


def _plain(text: str) -> str | None:
    """Return the value without doubled braces, a file by its name; None for values of job slots."""
    for piece in (text, text.rpartition("/")[2]):
        try:
            return fill_text(piece, {})
        except PlanError:
            continue
    return None
