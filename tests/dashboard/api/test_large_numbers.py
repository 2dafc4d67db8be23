"""A number of any length in an address of the API finds nothing, and breaks nothing.

That of a result is refused with its form.
"""

import pytest

from tests.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

LARGE = "9" * 19


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("delete", f"results/res-{LARGE}/tags/x", 400),
        ("patch", f"results/res-{LARGE}/notes/1", 400),
        ("delete", f"results/res-{LARGE}/notes/1", 400),
        ("post", f"results/res-{LARGE}/sign-offs/1/withdraw", 400),
        ("post", f"matrices/{LARGE}/runs/1/repeat", 404),
    ],
)
def test_a_part_of_a_record_that_no_column_can_number(client, method, path, status):
    client.force_login(make_user("ada", is_staff=True))

    answer = getattr(client, method)(
        f"/api/v1/{path}", {"text": "seen"}, content_type="application/json"
    )

    assert answer.status_code == status
