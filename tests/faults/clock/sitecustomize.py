"""A clock and a boot that a test can change, for the Python processes that have this in their path.

The machine's own clock stays as it is. ``FAULTS_CLOCK`` names a file with seconds to add to the
time; ``FAULTS_BOOT_ID`` a file in place of the boot's id. Both change calls of Python only: files
get the machine's true times.
"""

import contextlib
import datetime
import os
import pathlib
import sys
import time

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def step_clock(file: str) -> None:
    true_time, true_ns = time.time, time.time_ns

    def offset() -> float:
        with contextlib.suppress(OSError, ValueError), pathlib.Path(file).open() as stream:
            return float(stream.read())
        return 0.0

    time.time = lambda: true_time() + offset()
    time.time_ns = lambda: true_ns() + int(offset() * 1e9)
    if os.environ.get("DJANGO_SETTINGS_MODULE") or "celery" in " ".join(sys.orig_argv):
        step_django(offset)


def step_django(offset) -> None:
    from django.utils import timezone  # noqa: PLC0415 -- hosts have none

    true_now = timezone.now
    timezone.now = lambda: true_now() + datetime.timedelta(seconds=offset())
    if "celery" in sys.orig_argv:
        from celery.app.base import Celery  # noqa: PLC0415

        celery_now = Celery.now
        Celery.now = lambda app: celery_now(app) + datetime.timedelta(seconds=offset())
        from celery.worker import request  # noqa: PLC0415 -- it looks whether a task has expired

        class Stepped(datetime.datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.datetime.now(tz) + datetime.timedelta(seconds=offset())

        request.datetime = Stepped


def change_boot(file: str) -> None:
    true_read = pathlib.Path.read_text

    def read_text(self, *arguments, **options):
        with contextlib.suppress(FileNotFoundError):
            if str(self) == BOOT_ID:
                return true_read(pathlib.Path(file))
        return true_read(self, *arguments, **options)

    pathlib.Path.read_text = read_text


if os.environ.get("FAULTS_CLOCK"):
    step_clock(os.environ["FAULTS_CLOCK"])
if os.environ.get("FAULTS_BOOT_ID"):
    change_boot(os.environ["FAULTS_BOOT_ID"])
