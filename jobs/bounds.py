"""Bounds of a stranger's counts and strings: one table.

What exceeds a bound is refused or left out, and counted in one line of the log.
"""

from __future__ import annotations

# A chunk of events or points has at most 1 MiB: real lines have 60 bytes and more.
LINES = 32_768  # of a chunk
TORN_LINES = 1000  # of them that are no event or point: a power cut tears one
# An archive to import.
GZIP_MEMBERS = 10_000  # parallel packers write one for each 64 KiB
ZIP_DIRECTORY_BYTES = 2 * 1024 * 1024  # 3,000 files of long paths need half of it
# What a job's report registers: weights, artifacts, environments.
PRODUCT_TEXT_CHARS = 1000
PRODUCT_BYTES = 256 * 1024  # of all, as JSON: packages of an environment have 20 kB
