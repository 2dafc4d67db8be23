"""The simulated host, whose way to the dashboard leads over the matrix's proxies.

``python -m tests.faults.simulated DASHBOARD_URL REDIS_URL SPEED DIES``, with DATA_DIR set.
"""

import os
import sys

import django


def main(dashboard_url: str, redis_url: str, speed: str, dies: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 -- needs Django set up

    from dashboard.management.commands import demo_host  # noqa: PLC0415

    read = demo_host.read_env_file
    over_proxies = {"DASHBOARD_URL": dashboard_url, "REDIS_URL": redis_url}
    demo_host.read_env_file = lambda path: {**read(path), **over_proxies}
    # Only the host's own processes get this one's environment; they know no Django.
    os.environ.pop("DJANGO_SETTINGS_MODULE")
    call_command("demo_host", speed=float(speed), dies=int(dies))


if __name__ == "__main__":
    main(*sys.argv[1:])
