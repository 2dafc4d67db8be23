"""Kinds of reports. A new kind is a file here and a name in ``_ALL``."""

from __future__ import annotations

from dashboard.reports.kinds import comparison, matrix, result
from dashboard.reports.kinds.base import Kind

_ALL = (result, comparison, matrix)
KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _ALL}
