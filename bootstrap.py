#!/usr/bin/env python3
"""First step of every make target: check this computer, make the virtual environment, use it.

``bootstrap.py run|worker|venv|dev [argument ...]``. Standard library only, and it parses on any
Python, so that it can say what is missing. (Hence no f-strings and no annotations.)
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
# Targets: folder of the environment, requirements, oldest Python, command to continue with.
TARGETS = {
    "run": (".venv", "requirements.txt", (3, 11), ["-m", "dashboard.server.supervisor"]),
    "venv": (".venv", "requirements.txt", (3, 11), None),
    "demo-host": (".venv", "requirements.txt", (3, 11), ["manage.py", "demo_host"]),
    "dev": (".venv", "requirements-dev.txt", (3, 11), None),
    "worker": (".venv-host", "requirements-host.txt", (3, 10), ["-m", "jobs.host.agent.worker"]),
}
NEWEST_TRIED = (3, 13)


def fail(message):
    """Print the error and exit."""
    sys.stderr.write("\n" + message + "\n\n")
    sys.exit(1)


def main(argv):
    """Prepare the environment of one target, then exec its command."""
    if not argv or argv[0] not in TARGETS:
        fail("Usage: bootstrap.py %s" % "|".join(sorted(TARGETS)))
    folder, requirements, oldest, command = TARGETS[argv[0]]
    if not oldest <= sys.version_info[:2] <= NEWEST_TRIED:
        become_another_python(oldest)
    if argv[0] != "worker":
        check_platform()
    python = make_environment(os.path.join(ROOT, folder))
    install(python, requirements)
    if argv[0] != "worker":
        collect_client(python)
    if command is not None:
        os.chdir(ROOT)
        os.execv(python, [python] + command + argv[1:])


def become_another_python(oldest):
    """Exec another Python of the PATH if this one is too old or too new."""
    for minor in range(NEWEST_TRIED[1], oldest[1] - 1, -1):
        other = shutil.which("python3.%d" % minor)
        # A name on the PATH may be a shim without an interpreter behind it.
        if other and subprocess.call([other, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            os.execv(other, [other, os.path.abspath(__file__)] + sys.argv[1:])
    if sys.version_info[:2] < oldest:
        fail(
            "Python %d.%d or newer is required; this is %s (%s). The PATH has no newer one.\n"
            "On Debian or Ubuntu: apt install python3.12 python3.12-venv"
            % (oldest + (platform.python_version(), sys.executable))
        )


def check_platform():
    """Fail where the embedded Valkey does not run and REDIS_URL is not set."""
    if os.environ.get("REDIS_URL"):
        return
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        what = "%s on %s" % (platform.system(), platform.machine())
    elif glibc() < (2, 28):
        what = "a system with glibc older than 2.28"
    else:
        return
    fail(
        "The embedded Valkey needs Linux x86-64 with glibc 2.28 or newer; this is %s.\n"
        "Start Redis or Valkey and set its address: REDIS_URL=redis://127.0.0.1:6379/0 make run"
        % what
    )


def glibc():
    """Return the glibc version as a pair; (0, 0) for other C libraries."""
    try:
        name, version = os.confstr("CS_GNU_LIBC_VERSION").split()
        return tuple(int(part) for part in version.split(".")[:2]) if name == "glibc" else (0, 0)
    except (AttributeError, OSError, ValueError):
        return (0, 0)


def make_environment(folder):
    """Make the virtual environment unless a working one exists. Return its Python."""
    python = os.path.join(folder, "bin", "python")
    check = "import sys; sys.exit(sys.version_info[:2] != %r)" % (sys.version_info[:2],)
    if os.path.exists(python):
        if subprocess.call([python, "-c", check], stderr=subprocess.DEVNULL) == 0:
            return python
        print("Rebuilding %s: another Python made it." % folder)
    try:
        import ensurepip  # noqa: F401, PLC0415 -- may be missing
        import venv  # noqa: PLC0415 -- may be missing
    except ImportError:
        fail(
            "Python's venv module is missing. On Debian or Ubuntu: apt install python3-venv"
            "\n(for a Python that is not the system's own: apt install python3.%d-venv)"
            % sys.version_info[1]
        )
    print("Making the virtual environment %s" % folder)
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        fail("Cannot make the virtual environment %s: %s" % (folder, error))
    return python


def install(python, requirements):
    """Install the lock of the requirements, unless the same lock is installed already.

    pip refuses a file whose hash the lock does not have, and a package that it does not name.
    """
    lock = os.path.join(ROOT, "locks", requirements)
    stamp = os.path.join(os.path.dirname(os.path.dirname(python)), "." + requirements + ".sha256")
    wanted = lock_hash(lock)
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wheels = os.environ.get("WHEELS_DIR")
    if wheels:
        command += ["--no-index", "--find-links", os.path.abspath(os.path.expanduser(wheels))]
    print("Installing %s%s" % (requirements, " from " + wheels if wheels else ""))
    sys.stdout.flush()
    if subprocess.call(command + ["--require-hashes", "-r", lock]) != 0:
        fail(
            "Installing %s failed: see pip's output above.\n"
            "pip uses pip.conf and PIP_INDEX_URL. "
            "Offline: set WHEELS_DIR, see docs/run/offline.md." % requirements
        )
    with open(stamp, "w") as file:
        file.write(wanted)


def collect_client(python):
    """Collect the wheels that the page /client/ serves, unless those of this lock are there.

    The dashboard starts without them: the page then says what is missing.
    """
    lock = os.path.join(ROOT, "locks", "requirements-client.txt")
    folder = os.path.join(os.path.dirname(os.path.dirname(python)), "client")
    stamp = os.path.join(folder, ".sha256")
    wanted = lock_hash(lock)
    if os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--platform", "any", "--abi", "none"]
    command += ["--implementation", "py", "--python-version", "3.10", "--dest", folder]
    wheels = os.environ.get("WHEELS_DIR")
    if wheels:
        command += ["--no-index", "--find-links", os.path.abspath(os.path.expanduser(wheels))]
    if subprocess.call(command + ["--require-hashes", "-r", lock]) != 0:
        print("The wheels of the client were not collected; the next start tries again.")
        return
    with open(stamp, "w") as file:
        file.write(wanted)


def lock_hash(path):
    """SHA-256 of a lock file."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1:])
