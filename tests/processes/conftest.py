"""One dashboard for the tests that only use it: each start takes seconds of a processor."""

import pytest

from tests.api import Api, until
from tests.stack import running


@pytest.fixture(scope="package")
def shared(tmp_path_factory, pytestconfig):
    """Its API. Logs are packed soon, and its host may run what a tour installs."""
    toured = pytestconfig.getoption("--toured")
    allowed = ("default", *([str(toured.parent)] if toured else ()))
    environ = {"AGENT_ALLOWED_PATHS": ":".join(allowed), "COMPRESS_LOGS_AFTER": "1s"}
    with running(tmp_path_factory.mktemp("processes") / "data", environ=environ) as stack:
        client = Api(stack)
        until(lambda: client.ask("hosts/this-computer")["facts"], "the host has reported")
        yield client


@pytest.fixture(scope="package")
def with_evalscope(shared, pytestconfig):
    """That dashboard; its host has EvalScope of a tour, if there is one, else a job installs it."""
    toured = pytestconfig.getoption("--toured")
    if toured is not None and toured.exists():
        shared.borrow_evalscope(toured.resolve())
    return shared
