"""What every test has: a data folder of its own, and static files without a collected manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PLAIN_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"


@pytest.fixture(autouse=True)
def own_data_folder(settings: Any, tmp_path: Path) -> None:
    """Logs, outputs and secrets of one test are not those of another, or of a dashboard."""
    settings.DATA_DIR = tmp_path / "data"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": PLAIN_STATIC}}
