"""Every page is made of rows of every kind, on each database."""

import html
import re

import pytest

from jobs.models import Deployment, Host, Result
from tests import sample_data
from tests.dashboard.lib.routes import OLD, offered_in
from tests.factories import make_user
from tests.pages import ALL_PATHS, HOST

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def test_every_page_answers_by_titles_and_addresses_of_today_and_offers_all_to_an_admin(client):
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
        text = re.sub(r"<(script|pre|code)\b.*?</\1>", "", answer.text, flags=re.S)
        assert HOST not in re.sub(r"<[^>]+>", " ", text), path
        assert not OLD.search(html.unescape(answer.text)), path
    assert offered_in(answer.text for answer in answers.values()).keys() >= {
        *("audit", "secret-list", "storage", "people", "source-add", "source-remove", "model-add"),
        *("host-add", "host-drain", "host-slots", "host-launchers", "host-mark-lost"),
        *("job-cancel", "job-move", "matrix-cancel", "deployment-stop", "deployment-restart"),
        *("endpoint-edit", "endpoint-archive", "level-edit", "level-remove", "prompt-remove"),
    }
