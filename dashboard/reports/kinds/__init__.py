"""Kinds of reports: a new one is a file here and a name in `_ALL`.
Here: the fields that a kind asks for, and its sections, made of `parts`.
Not here: tables that several kinds share (`parts`), and formats (`writers`).
"""

from __future__ import annotations

from dashboard.reports.kinds import comparison, matrix, parity, result
from dashboard.reports.kinds.base import Kind

_ALL = (result, comparison, parity, matrix)
KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _ALL}
