"""A host's two processes under one supervisor:
``python -m jobs.host.agent.worker --env host.env``."""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jobs.host.agent.supervisor import Child, Supervisor
from jobs.host.base import config as configs
from jobs.host.base.config import Config
from jobs.host.run.spawn import REPOSITORY

# Celery warns of pickled messages when it runs as root. Ours are JSON and nothing else is taken.
AS_ROOT = ("-W", "ignore:You're running the worker with superuser")


def children(config: Config) -> list[Child]:
    """The agent, which does the work, and with a ``REDIS_URL`` the Celery worker, which takes
    hints."""
    env = config.as_environment()
    agent = [sys.executable, "-m", "jobs.host.agent.agent"]
    of_host = [Child(f"the agent of {config.name}", agent, env=env, cwd=REPOSITORY)]
    if config.redis_url:
        celery = [
            *(sys.executable, *AS_ROOT, "-m", "celery", "--quiet"),
            *("-A", "jobs.host.agent.app", "worker"),
            *("--queues", f"host.{config.name}", "--hostname", f"host@{config.name}"),
            # One process and no pool: tasks are short, and nothing is left when it is killed.
            *("--pool", "solo", "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
        # Where Celery finds Django's settings in its environment, it loads all of the dashboard.
        env = {**env, "DJANGO_SETTINGS_MODULE": ""}
        of_host.append(Child(f"the worker of {config.name}", celery, env=env, cwd=REPOSITORY))
    return of_host


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 2: a setting is wrong."""
    parser = argparse.ArgumentParser(prog="jobs.host.agent.worker", description=__doc__)
    parser.add_argument("--env", type=Path, help='host.env, the file from "Add a host"')
    options = parser.parse_args(argv)
    say = partial(print, file=sys.stderr, flush=True)
    try:
        config = configs.load(file=options.env)
    except configs.ConfigError as error:
        say(str(error))
        return 2
    say(f"{config.name} works for {config.dashboard_url} in {config.dir}")
    return Supervisor(children(config), say).run()


if __name__ == "__main__":
    sys.exit(main())
