import pytest

from jobs.logstore import LogStore


@pytest.fixture
def logs(tmp_path):
    return LogStore(tmp_path / "logs")
