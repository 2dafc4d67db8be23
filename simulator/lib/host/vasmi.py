"""``vasmi``: its commands are known, its output is published nowhere and invented here."""

import argparse
import time
from collections.abc import Sequence

from simulator.lib import world
from simulator.lib.host import kernel

VERSION = "2.8.6"
MEMORY_MIB = 32768
PER_CARD = 4


def main(argv: Sequence[str]) -> int:
    """Run ``vasmi``; its exit code."""
    parser = argparse.ArgumentParser("vasmi")
    parser.add_argument("-v", "--version", action="version", version=f"vasmi {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("list", "summary", "getcardnum"):
        commands.add_parser(name)
    for name in ("gettemp", "getpwr", "getfreq"):
        one = commands.add_parser(name)
        one.add_argument("-d", default="all")
        one.add_argument("-i", default="0")
    for name in ("setconfig", "setcardmode"):
        one = commands.add_parser(name)
        one.add_argument("what")
        one.add_argument("-d", default="all")
        one.add_argument("-y", action="store_true")
    args = parser.parse_args(argv)
    there = kernel.dies()
    if not there:
        world.err("vasmi: no device found")
        return 1
    if args.command in ("list", "summary"):
        _list(there)
    elif args.command == "getcardnum":
        world.out(str(len({number // PER_CARD for number in there})))
    elif args.command in ("setconfig", "setcardmode"):
        world.out(f"set {args.what} on {args.d}: ok")
    else:
        return _readings(args, there)
    return 0


def _list(there: Sequence[int]) -> None:
    world.out(f"vasmi {VERSION} ({world.MARK})")
    world.out("card  die  device       type  bus           temp(C)  power(W)  mem(MiB)      ai(%)")
    for number in there:
        card, die = divmod(number, PER_CARD)
        temperature, power, used, busy = reading(number)
        world.out(
            f"{card:<5d} {number:<4d} /dev/vacc{number:<3d} VA16  "
            f"0000:{0x18 + 2 * card:02x}:00.{die}  "
            f"{temperature:7.2f}  {power:8.2f}  {used:5d}/{MEMORY_MIB}  {busy:6.1f}"
        )


def reading(number: int) -> tuple[float, float, int, float]:
    """(°C, W, MiB in use, % busy) of a die now: made up, and slowly changing."""
    dice = world.seeded("die", number, int(time.time()) // 5)
    busy = dice.uniform(0, 12)
    hot = 38 + number % 4 * 1.5 + busy / 4
    if world.fault("slow_die") and number == 3:
        hot, busy = 96.4, 100.0
    return hot, 11 + busy / 2, 512 + dice.randrange(64), busy


def _readings(args: argparse.Namespace, there: Sequence[int]) -> int:
    wanted = (
        there if args.d == "all" else [int(word) for word in args.d.split(",") if word.isdigit()]
    )
    missing = [number for number in wanted if number not in there]
    if missing:
        world.err(f"vasmi: device {missing[0]} not found")
        return 1
    for number in wanted:
        temperature, power, _, _ = reading(number)
        if args.command == "gettemp":
            world.out(f"device {number}: temperature: {temperature:.2f} C")
        elif args.command == "getpwr":
            world.out(f"device {number}: power: {power:.2f} W")
        else:
            world.out(f"device {number}\nOCLK: 835 MHz\nODSPCLK: 835 MHz\nVCLK: 600 MHz")
    return 0
