"""Log in to a registry and pull an image: pull_image.py IMAGE --user NAME | pull_image.py --clean

The registry is REGISTRY_ADDRESS, the password is REGISTRY_PASSWORD. Docker gets the password over
its standard input. Docker's own file with the password is in a private folder here, which is
removed at the end; --clean removes the folder of a killed run.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(".registry").absolute()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("image", nargs="?")
    parser.add_argument("--user", default="")
    parser.add_argument("--clean", action="store_true")
    options = parser.parse_args()
    if options.clean:
        shutil.rmtree(FOLDER, ignore_errors=True)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return pull(options.image, options.user)
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def pull(image, user):
    address = os.environ["REGISTRY_ADDRESS"]
    password = os.environ.pop("REGISTRY_PASSWORD")
    FOLDER.mkdir(mode=0o700)
    environ = {**os.environ, "DOCKER_CONFIG": str(FOLDER)}
    registry = address.partition("://")[2]
    login = ["docker", "login", "--username", user, "--password-stdin", registry]
    code = subprocess.run(login, input=password.encode(), env=environ, check=False).returncode
    if code != 0:
        print(f"Login at {registry} failed with exit code {code}.", file=sys.stderr, flush=True)
        return code
    return subprocess.run(["docker", "pull", image], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
