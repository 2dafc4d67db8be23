"""A log of a million lines in a browser: its memory, and its frames while it follows."""

from tests.bench.chromium import FRAMES, chromium, renderer_bytes, wait_for, window
from tests.bench.harness import Bench, Goal, Readings, percentile
from tests.bench.programs import program
from tests.bench.rows.live_log import LINE_BYTES, write_lines
from tests.bench.stacks import dashboard, environment, inside

NAME = "viewer"
WHAT = "viewer, 1,000,000 lines"
BESIDE = "–"
GOALS = (
    Goal("memory", "MB", 400),
    Goal("frame-p99", "ms", 50),
)
LIMIT_S = 180
LINES_PER_S = 2000
LAST = """() =>
  Number([...document.querySelectorAll(".logrows [data-line]")].at(-1)?.dataset.line ?? 0)"""


def measure(bench: Bench) -> Readings:
    """Open it at its end, go to its begin, its middle and back, then follow 2,000 lines/s."""
    lines, seconds = bench.size(1_000_000, 200_000), bench.size(20, 6)
    log, more = bench.folder / "log", bench.folder / "more"
    write_lines(log, lines)
    write_lines(more, lines + seconds * LINES_PER_S)
    with dashboard(bench.folder) as stack, chromium() as browser:
        job = inside(stack.data_dir, "open_job")["job"]
        env = environment(stack.data_dir)
        first = {"job": job, "path": str(log), "offset": 0}
        rest = {"job": job, "path": str(more), "offset": lines * LINE_BYTES}
        with program("inside.append", first, env=env) as writer:
            writer.hear()
            writer.say()
            writer.answer()
        with window(browser, stack) as context:
            page = context.new_page()
            page.goto(f"/jobs/{job}/")
            wait_for(page, LAST, lambda number: number == lines)
            for share in (0.0, 0.5, 1.0):
                page.evaluate(
                    "(share) => { const bar = document.querySelector('[data-log=scroller]');"
                    " bar.scrollTop = share * bar.scrollHeight; }",
                    share,
                )
                wanted = max(1.0, share * lines)
                wait_for(
                    page, LAST, lambda number, wanted=wanted: abs(number - wanted) < lines / 20
                )
            with program("inside.append", {**rest, "lines_per_s": LINES_PER_S}, env=env) as writer:
                writer.hear()
                page.evaluate(FRAMES)
                writer.say()
                page.wait_for_timeout(seconds * 1000)
                frames = page.evaluate("window.frames_ms")
                writer.answer()
            wait_for(page, LAST, lambda number: number == lines + seconds * LINES_PER_S)
            memory = renderer_bytes(browser)
    return {
        "memory": (memory / 1e6, None),
        "frame-p99": (percentile(frames, 0.99), None),
    }
