"""Every page is made of rows of every kind, on each database."""

import pytest

from tests import sample_data
from tests.factories import make_user
from tests.pages import ALL_PATHS

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def test_every_page_answers(client):
    client.force_login(make_user("ada", is_staff=True))
    made = sample_data.make()

    answers = {path: client.get(path.format(**made), follow=True) for path in ALL_PATHS}

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(
        ALL_PATHS, 200
    )
