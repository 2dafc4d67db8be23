"""What a server was told about how to work, read out of the plan that started it.

A plan's command may be docker's: what it says of the container bears on no number, and neither do
names and addresses, nor what only the job's own slots tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from jobs.errors import PlanError
from jobs.plans import Plan, fill_text

YES, NO = "yes", "no"
# Options of docker whose value is the next word; all others of its options stand by themselves.
_DOCKER_TAKES = frozenset(
    ("-e", "-p", "-v", "-w", "--env", "--label", "--name", "--network", "--publish", "--volume")
)
_VARIABLES = ("-e", "--env")
_NAMES = frozenset(("--host", "--port", "--served-model-name", "--alias"))
_OPTION = re.compile(r"--?[A-Za-z]")


def engine_settings(plan: Plan) -> dict[str, str]:
    """Options (``--NAME``) and variables of the container (``NAME``) of the commands that serve.

    An option without a value of its own is ``YES``.
    """
    found: dict[str, str] = {}
    for step in plan.steps:
        if step.serves:
            variables, words = _taken_apart(step.argv)
            if step.argv[:1] == ("docker",):
                words = words[1:]  # behind the image, or the container's name
            for name, value in (*_variables(variables), *_options(words)):
                plain = _plain(value)
                if plain is not None and name not in _NAMES:
                    found[name] = plain
    return found


def images(plan: Plan) -> list[str]:
    """Names of the images whose containers the plan's steps start, as it names them."""
    found: dict[str, None] = {}
    for step in plan.steps:
        if step.argv[:2] == ("docker", "run"):
            _variables_of, words = _taken_apart(step.argv)
            name = _plain(words[0]) if words else None
            if name is not None:
                found[name] = None
    return list(found)


def without_folder(text: str) -> str:
    """An absolute path by its last part: where a file lies bears on no number."""
    return text.rstrip("/").rpartition("/")[2] if text.startswith("/") else text


def _taken_apart(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """(the variables that docker sets, the image or container and the command in it); of another
    command, the command.
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


def _variables(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Those with a value; what is handed on from outside has none here, and may be secret."""
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            yield name, value


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for place, word in enumerate(words):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            after = words[place + 1 : place + 2]
            is_alone = not after or _OPTION.match(after[0])
            yield name, value if equals else YES if is_alone else after[0]


def _plain(text: str) -> str | None:
    """Without doubled braces; a file by its name; None where only the job could tell."""
    for piece in (text, text.rpartition("/")[2]):
        try:
            return fill_text(piece, {})
        except PlanError:
            continue
    return None
