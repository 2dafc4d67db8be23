"""Several threads that work on one database at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connections


def together(*works):
    """Run all at the same moment, each in a thread with a connection of its own."""
    barrier = Barrier(len(works))

    def one(work):
        barrier.wait()
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(one, works))
