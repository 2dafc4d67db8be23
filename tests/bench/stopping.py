"""Stop the harness from the inside out, so that no process is left."""

import signal


def on_signals(*numbers: signal.Signals) -> None:
    """Have each of these raise ``KeyboardInterrupt``, once: what ends then is not cut off again.

    A process that was started in the background ignores Ctrl-C unless it says otherwise.
    """

    def stop(number: int, frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    for each in numbers:
        signal.signal(each, stop)
