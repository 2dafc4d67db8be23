"""Cost of an idle dashboard; memory of a viewer, a stream, a host."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread

from jobs.host.base import process
from tests.bench.harness import Bench, Goal, Readings, cpu_s, own_mb, row
from tests.bench.programs import program
from tests.bench.rows.browser import browsing
from tests.bench.rows.chat import RATE, chatting
from tests.bench.rows.logs import LINE_BYTES, append, reading_order, write_lines
from tests.cluster import FIRST_PORT, PORTS, separate_host
from tests.stack import Stack
from tests.waiting import until

SETTLED_S = 15  # after a start
HOSTS, PAGES = 20, 20
ADDRESSES = ("/", "/jobs/", "/results/", "/hosts/")


@row(
    "idle",
    "processor time of all processes while nobody works: alone; 20 open pages and 20 hosts",
    Goal("alone", "% of a core", 1),
    Goal("busy", "% of a core", 10),
    limit_s=420,
    grows="pages and hosts",
)
def idle(bench: Bench) -> Readings:
    """The supervisor with all that it started, but not the agents of the other hosts and the
    browser, which are elsewhere in an office."""
    seconds = bench.size(30, 10)
    with browsing(bench.folder) as (stack, page):
        time.sleep(SETTLED_S)
        alone = _share_of_a_core(stack, seconds)
        with _hosts(stack, bench.folder, bench.amount(HOSTS, 2)):
            for number in range(bench.amount(PAGES, 2)):
                page.context.new_page().goto(ADDRESSES[number % len(ADDRESSES)])
            time.sleep(SETTLED_S)
            return {"alone": alone, "busy": _share_of_a_core(stack, seconds)}


def _share_of_a_core(stack: Stack, seconds: float) -> float:
    """Percent of one core over the next seconds."""
    used, began = _used_s(stack), time.monotonic()
    time.sleep(seconds)
    return 100 * (_used_s(stack) - used) / (time.monotonic() - began)


def _used_s(stack: Stack) -> float:
    """CPU seconds of all processes so far: what has ended is in the sum of its parent."""
    supervisor, used = stack.process.pid, 0.0
    for pid in (supervisor, *process.descendants(supervisor)):
        with suppress(FileNotFoundError):  # it has just ended
            used += cpu_s(pid, with_ended=True)
    return used


@contextmanager
def _hosts(stack: Stack, folder: Path, count: int) -> Iterator[None]:
    """That many agents, as real hosts run them, which have all reported."""
    with ExitStack() as ends:
        for number in range(count):
            ports = FIRST_PORT + number * PORTS
            ends.enter_context(separate_host(stack, folder, f"idle-{number}", ports))
        reported = f"from jobs.models import Host; print(Host.objects.filter({_REPORTED}).count())"
        until(lambda: int(stack.shell(reported)) == count, "all hosts have reported", 120)
        yield


_REPORTED = "name__startswith='idle-', heartbeat_at__isnull=False"


@row(
    "memory",
    "memory that each log viewer, chat stream and host adds to the web server",
    Goal("start", "MB", 150),
    Goal("viewer", "kB each", 500),
    Goal("stream", "kB each", 500),
    Goal("host", "kB each", 500),
    limit_s=420,
    grows="viewers, streams and hosts",
)
def memory(bench: Bench) -> Readings:
    """A few of each come before, so that what all share is loaded. What a viewer leaves free, a
    stream may use: of several kinds at once the sum is an upper bound."""
    with chatting(bench.folder) as chats:
        stack = chats.stack
        web = stack.children()["web"]
        time.sleep(SETTLED_S)
        count = bench.amount(100, 20)
        readings = {"start": own_mb(web)}
        job = stack.call("orders.open_job")
        seed = bench.folder / "log"
        write_lines(seed, 1000)
        append(stack, job, seed)
        more = 1001 * LINE_BYTES  # than there is: they wait
        with program("sockets", reading_order(stack, job, 10, more)) as few:
            few.hear()
            before = own_mb(web)
            with program("sockets", reading_order(stack, job, count, more)) as pages:
                pages.hear()
                readings["viewer"] = _each(web, before, count)
        body = {"tokens": 5 * RATE, "rate": RATE}
        (few_chats,) = chats.prepared(1, 10)
        chats.relay(chats.ask(few_chats, body), body["tokens"])
        (all_chats,) = chats.prepared(1, count)
        before, turns = own_mb(web), chats.ask(all_chats, body)
        reading = Thread(target=chats.relay, args=(turns, body["tokens"]))
        reading.start()
        time.sleep(3)
        readings["stream"] = _each(web, before, count)
        reading.join()
        if chats.cut.total():
            raise RuntimeError(f"{chats.cut.total()} streams were cut")
        before, count = own_mb(web), bench.amount(HOSTS, 2)
        with _hosts(stack, bench.folder, count):
            time.sleep(SETTLED_S)
            readings["host"] = _each(web, before, count)
    return readings


def _each(pid: int, before_mb: float, count: int) -> float:
    """kB that each of ``count`` has added; memory that was free inside of the process counts as
    nothing."""
    return max(0.0, own_mb(pid) - before_mb) * 1000 / count
