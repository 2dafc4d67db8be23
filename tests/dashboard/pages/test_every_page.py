"""Every page is made of rows of every kind, on each database."""

import re

import pytest

from jobs.models import Deployment, Host, Result
from tests import sample_data
from tests.factories import make_user
from tests.pages import ALL_PATHS, HOST

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def test_every_page_answers_and_calls_this_computer_by_its_title(client):
    client.force_login(make_user("ada", is_staff=True))
    made = sample_data.make()
    here = Host.objects.get(name=HOST)
    Deployment.objects.filter(pk=made["deployment"]).update(host=here)
    Result.objects.filter(pk=made["quality"]).update(host=here)

    answers = {path: client.get(path.format(**made), follow=True) for path in ALL_PATHS}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(
        ALL_PATHS, 200
    )
    for path, answer in answers.items():
        # Commands and figures have the name.
        html = re.sub(r"<(script|pre|code)\b.*?</\1>", "", answer.text, flags=re.S)
        assert HOST not in re.sub(r"<[^>]+>", " ", html), path
