"""A dashboard whose host uses the EvalScope of another stack, so that nothing is installed."""

from contextlib import contextmanager

from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE
from tests.api import Api, until
from tests.stack import running

BORROW = """
from jobs.models import Environment, Host
host = Host.objects.get(name="this-computer")
Environment.objects.create(host=host, name="{name}", fingerprint="{fingerprint}", path="{path}")
"""


def borrow_evalscope(api, toured):
    """Use the EvalScope of another stack, if there is one: else the launch installs it."""
    if toured is None or not toured.exists():
        return
    (there,) = toured.resolve().glob(f"{EVALSCOPE}-*")
    here = api.stack.data_dir / "host" / "environments" / there.name
    here.parent.mkdir(exist_ok=True)
    here.symlink_to(there)
    about = {"name": EVALSCOPE, "fingerprint": ENVIRONMENTS[EVALSCOPE].fingerprint}
    api.stack.manage("shell", "--no-imports", "-c", BORROW.format(path=here, **about))


@contextmanager
def stack_with_evalscope(folder, pytestconfig):
    """Run a dashboard in ``folder``; its API."""
    toured = pytestconfig.getoption("--toured")
    allowed = ("default", *([str(toured.resolve().parent)] if toured and toured.exists() else ()))
    environ = {"AGENT_ALLOWED_PATHS": ":".join(allowed)}
    with running(folder, environ=environ) as stack:
        client = Api(stack)
        until(lambda: client.ask("hosts/this-computer")["facts"], "the host has reported")
        borrow_evalscope(client, toured)
        yield client
