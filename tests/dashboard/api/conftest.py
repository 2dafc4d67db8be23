"""Callers of the API."""

import pytest
from django.apps import apps

from jobs.catalog import MODELS
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.team_models import models_folder
from tests.factories import make_user


@pytest.fixture
def api():
    return Caller(make_user("ada"))


@pytest.fixture
def lin():
    return Caller(make_user("lin"))


@pytest.fixture
def admin():
    return Caller(make_user("root", is_staff=True))


@pytest.fixture
def model_folder():
    """The folder of the team's models."""
    apps.get_app_config("jobs").ready()
    folder = models_folder()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    MODELS.configure(None)
