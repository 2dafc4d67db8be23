"""Run GuideLLM with requests that arrive at random, from the start of the run on.

    send_poisson.py run --profile kind=poisson,rate=2 ...

GuideLLM 0.8.1 lets its worker begin before it has set the start of the arrivals. On a busy host the
worker then finds all of them in the past, and sends every request at once. Here the start is set
first.
"""

import sys


def set_start_first(poisson, base):
    """``poisson``: GuideLLM's strategy; ``base``: the one whose method lets the worker begin."""

    def init_processes_start(self, start_time):
        with self._offset.get_lock():
            self._offset.value = start_time
        base.init_processes_start(self, start_time)

    poisson.init_processes_start = init_processes_start


if __name__ == "__main__":
    from guidellm.__main__ import cli
    from guidellm.scheduler import strategies

    set_start_first(strategies.AsyncPoissonStrategy, strategies.ThroughputStrategy)
    sys.exit(cli())
