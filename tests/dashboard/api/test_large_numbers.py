"""A number of any length in an address of the API finds nothing, and breaks nothing."""

import pytest

from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

LARGE = "9" * 19


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("delete", f"results/{LARGE}/tags/x"),
        ("patch", f"results/{LARGE}/notes/1"),
        ("delete", f"results/{LARGE}/notes/1"),
        ("post", f"results/{LARGE}/sign-offs/1/withdraw"),
        ("post", f"matrices/{LARGE}/runs/1/repeat"),
    ],
)
def test_a_part_of_a_record_that_no_column_can_number(client, method, path):
    client.force_login(make_user("ada", is_staff=True))

    answer = getattr(client, method)(
        f"/api/v1/{path}", {"text": "seen"}, content_type="application/json"
    )

    assert answer.status_code == 404
