import pytest

from tests.measuring import make_measuring_host


@pytest.fixture
def host():
    return make_measuring_host("va16")
