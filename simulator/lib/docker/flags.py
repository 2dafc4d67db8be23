"""Command lines as docker's own parser reads them (spf13/pflag): clusters, ``=``, its refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from simulator.lib import world


class FlagError(Exception):
    """A refusal, in docker's words."""


@dataclass
class Flags:
    """A parsed command line: switches, values of each option in their order, and operands left."""

    on: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    operands: list[str] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Every value of an option."""
        return self.values.get(name, [])

    def last(self, name: str, default: str = "") -> str:
        """The last value of an option."""
        return self.all(name)[-1] if self.all(name) else default


@dataclass(frozen=True)
class Command:
    """One command: its switches and options, each ``x,long`` or ``long``; how it is used."""

    name: str
    usage: str
    switches: str = ""
    options: str = ""
    least: int = 0
    most: int | None = None
    mixed: bool = True  # False: what follows the first word is not ours

    def parse(self, argv: Sequence[str]) -> Flags:
        """Read ``argv``.

        Raises:
            FlagError: there is a flag that it does not have, or too few words.
        """
        names = _names(self.switches, False) | _names(self.options, True)
        flags = Flags()
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--":
                flags.operands += rest
                break
            if word.startswith("--"):
                self._long(word, rest, names, flags)
            elif word.startswith("-") and len(word) > 1:
                self._short(word, rest, names, flags)
            else:
                flags.operands.append(word)
                if not self.mixed:
                    flags.operands += rest
                    break
        self._count(flags.operands)
        return flags

    def _long(
        self, word: str, rest: list[str], names: Mapping[str, tuple[str, bool]], flags: Flags
    ) -> None:
        name, equals, value = word[2:].partition("=")
        if name not in names or len(name) == 1:
            raise FlagError(f"unknown flag: --{name}\n{self._see()}")
        long, takes = names[name]
        if takes:
            if not equals:
                if not rest:
                    raise FlagError(f"flag needs an argument: --{name}\n{self._see()}")
                value = rest.pop(0)
            flags.values.setdefault(long, []).append(value)
        elif not equals or value == "true":
            flags.on.add(long)
        elif value != "false":
            raise FlagError(
                f'invalid argument "{value}" for "--{name}" flag: strconv.ParseBool: '
                f'parsing "{value}": invalid syntax\n{self._see()}'
            )

    def _short(
        self, word: str, rest: list[str], names: Mapping[str, tuple[str, bool]], flags: Flags
    ) -> None:
        letters = word[1:]
        for at, letter in enumerate(letters):
            if letter not in names:
                raise FlagError(f"unknown shorthand flag: '{letter}' in {word}\n{self._see()}")
            long, takes = names[letter]
            if not takes:
                flags.on.add(long)
                continue
            value = letters[at + 1 :].removeprefix("=")
            if not value:
                if not rest:
                    raise FlagError(f"flag needs an argument: '{letter}' in {word}\n{self._see()}")
                value = rest.pop(0)
            flags.values.setdefault(long, []).append(value)
            return

    def _count(self, operands: Sequence[str]) -> None:
        if len(operands) < self.least or (self.most is not None and len(operands) > self.most):
            exactly = self.least == self.most
            number = f"{'exactly' if exactly else 'at least'} {self.least}"
            noun = "argument" if self.least == 1 else "arguments"
            raise FlagError(
                f'"docker {self.name}" requires {number} {noun}.\n{self._see()}\n\n'
                f"Usage:  docker {self.name} {self.usage}"
            )

    def _see(self) -> str:
        return f"See 'docker {self.name} --help'."


def _names(table: str, takes: bool) -> dict[str, tuple[str, bool]]:
    spellings = {}
    for entry in table.split():
        long = entry.split(",")[-1]
        for name in entry.split(","):
            spellings[name] = (long, takes)
    return spellings


def refuse(error: FlagError, *, prefix: str = "") -> int:
    """Print a refusal; docker's exit code for it."""
    text = str(error)
    world.err(prefix + text)
    return 1 if "requires" in text.partition("\n")[0] else 125
