"""The project's settings, with a data folder and a database that are the tests' own."""

import atexit
import os
import shutil
import tempfile

_data_dir = tempfile.mkdtemp(prefix="vacc-tests-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)

for _name in (
    "REDIS_URL",
    "PUBLIC_URL",
    "TRUSTED_PROXIES",
    "NGINX_FILES",
    "BIND",
    "PORT",
    "SECRET_KEY",
    "SECRETS_KEY_FILE",
    "WHEELS_DIR",
    "VALKEY_LISTEN",
):
    os.environ.pop(_name, None)
os.environ["DATA_DIR"] = _data_dir
# Set by tests.__main__ for the run on PostgreSQL.
os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL", "")

from dashboard.settings import *  # noqa: E402, F403 -- after the environment is settled

# A file, as in life: a database in memory has other locks, which do not wait for each other.
DATABASES["default"]["TEST"] = {"NAME": None if os.environ["DATABASE_URL"] else f"{_data_dir}/t"}  # noqa: F405
# The real one is slow on purpose.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
VALIDATE_FIGURES = True
