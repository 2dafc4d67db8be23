"""The simulated host as ``manage.py demo_host`` makes it, whose way to the dashboard leads over the
matrix's proxies, and whose docker is, as on a real host, no child of ours.

``python -m tests.faults.simulated DASHBOARD_URL REDIS_URL SPEED DIES``, with DATA_DIR set.
"""

import os
import subprocess
import sys

import django


def main(dashboard_url: str, redis_url: str, speed: str, dies: str) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    django.setup()
    from django.conf import settings  # noqa: PLC0415 -- needs Django set up

    from dashboard.config.host_env import env_text  # noqa: PLC0415
    from dashboard.management.commands import demo_host  # noqa: PLC0415
    from jobs.base.valkey import login_of, with_login  # noqa: PLC0415
    from jobs.host.agent import worker  # noqa: PLC0415
    from jobs.host.agent.supervisor import Supervisor  # noqa: PLC0415
    from jobs.host.base.config import load, read_env_file  # noqa: PLC0415

    folder = settings.DATA_DIR / "demo-host"
    own = read_env_file(settings.DATA_DIR / "host" / "host.env")
    file = folder / "host.env"
    if not file.exists():  # a host that starts again needs no database, which may be down
        file = demo_host._write_settings(folder, {**own, "DASHBOARD_URL": dashboard_url})
        lines = read_env_file(file)
        lines["REDIS_URL"] = with_login(redis_url, *login_of(lines["REDIS_URL"]))
        file.write_text(env_text(lines))
    # Only the host's own processes get this one's environment; they know no Django.
    os.environ.pop("DJANGO_SETTINGS_MODULE")
    options = {"speed": float(speed), "faults": ""}
    os.environ.update(demo_host._environment(folder, options))
    programs, places = demo_host.SIMULATOR, (folder / "root", folder / "workspace")
    subprocess.run([sys.executable, programs / "furnish.py", *places, dies], check=True)
    asked = subprocess.run([programs / "bin" / "docker", "ps"], capture_output=True)
    if asked.returncode != 0:
        subprocess.Popen([programs / "bin" / "dockerd"], cwd=folder, start_new_session=True)
    return Supervisor(worker.children(load(file=file)), print).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
