"""The log panel of a job whose log a test writes itself."""

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Locator, Page

IN_SIGHT = """() => {
  const view = document.querySelector("[data-log=scroller]").getBoundingClientRect();
  return [...document.querySelectorAll(".logrows .l")].filter((row) => {
    const place = row.getBoundingClientRect();
    return place.top < view.bottom - 2 && place.bottom > view.top + 2;
  }).map((row) => Number(row.dataset.line));
}"""


def go_to(page: Page, text: str) -> None:
    page.locator("#log-line").fill(text)
    page.locator("#log-line").press("Enter")


def row(page: Page, number: int) -> Locator:
    return page.locator(f".logrows [data-line='{number}'] > span")


def in_sight(page: Page, is_wanted: Callable[[list[int]], Any]) -> list[int]:
    """Numbers of the lines in sight, once they are as wanted. The page's policy forbids eval."""
    numbers: list[int] = []
    for _ in range(1000):
        numbers = page.evaluate(IN_SIGHT)
        if numbers and is_wanted(numbers):
            return numbers
        page.wait_for_timeout(50)
    raise AssertionError(f"in sight are {numbers[:1]} to {numbers[-1:]}")


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last + 1))
