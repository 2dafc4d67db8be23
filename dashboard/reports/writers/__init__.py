"""Writers: HTML, Markdown, CSV. A new format is a file and a name in `WRITERS`.
Here: escaping, styles, scripts and pages of paper.
Not here: what a report says (`kinds`, `parts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dashboard.reports.document import Report
from dashboard.reports.writers import html, markdown, tidy_csv

WRITERS: Mapping[str, Callable[[Report], str]] = {
    "html": html.write,
    "md": markdown.write,
    "csv": tidy_csv.write,
}
TYPES: Mapping[str, str] = {"html": "text/html", "md": "text/markdown", "csv": "text/csv"}
