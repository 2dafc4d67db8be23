"""A terminal that a library draws, to compare ours with."""

import pyte


def by_pyte(text):
    screen = pyte.Screen(120, 60)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return [row.rstrip() for row in screen.display]
