"""Pages of results, as a member reads them."""

from urllib.parse import urlencode

import pytest
from django.urls import reverse

from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_user


@pytest.fixture
def ann(client):
    """A member who imports, logged in."""
    person = make_user("ann")
    client.force_login(person)
    return person


@pytest.fixture
def bearer(db):
    """Headers of a member's API token."""
    user = make_user("bearer")
    ApiToken.objects.create(user=user, name="t", scope="launch", token_sha256=hashed("secret"))
    return {"Authorization": "Bearer secret"}


@pytest.fixture
def get(member):
    """The page of a name as HTML; ``query``: as text."""

    def page(name, *args, query="", **fields):
        response = member.get(f"{reverse(name, args=args)}?{query or urlencode(fields)}")
        assert response.status_code == 200
        return response.content.decode()

    return page


@pytest.fixture
def detail(get):
    """The page of a result as HTML."""
    return lambda result, query="": get("result-detail", result.pk, query=query.lstrip("?"))
