"""Pages of results: list, result, comparison.
Here: views of `/results/`.
Not here: figures (`charts`), words (`presenters.result`).
"""

from __future__ import annotations

from dashboard.presenters.result import addresses  # noqa: F401 -- the converter of the addresses
