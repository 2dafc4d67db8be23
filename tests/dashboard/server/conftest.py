"""One whole dashboard for the tests that only use it: each start takes seconds of a processor."""

import pytest

from tests.stack import free_port, long_folder, running


@pytest.fixture(scope="package")
def long_stack(tmp_path_factory):
    """A stack from nothing in a folder of 150 characters, whose Valkey listens, with few bytes."""
    environ = {"VALKEY_LISTEN": f"127.0.0.1:{free_port()}", "VALKEY_MEMORY": "32M"}
    folder = long_folder(tmp_path_factory.mktemp("long"))
    with running(folder, environ=environ, from_nothing=True) as stack:
        yield stack
