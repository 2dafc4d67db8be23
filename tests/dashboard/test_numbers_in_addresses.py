"""A number in an address may be of any length, sign and script: no view fails on it."""

import re
from pathlib import Path

import pytest
from django.http import QueryDict
from django.urls import Resolver404, resolve

import dashboard
from tests import sample_data
from tests.dashboard.lib.routes import OF_PEOPLE, PATTERNS, filled, names_asked_by
from tests.factories import make_user

pytestmark = pytest.mark.django_db

# A column of PostgreSQL has other bounds than one of SQLite: 18 digits fit into its largest only,
# 19 into none. Python refuses the others, as ``number_from`` does for every view.
LONG = "9" * 19
LARGEST = pytest.param("9" * 18, id="18 digits", marks=pytest.mark.postgresql)
NUMBERS = [LARGEST, pytest.param("9" * 5000, id="5,000 digits")]
IN_PATHS = [*NUMBERS, pytest.param(LONG, id="19 digits", marks=pytest.mark.postgresql)]
# Only a check by ``isdigit`` or the like lets it pass, and those are in one place: see the end.
SCRIPT = pytest.param("١²", id="script")


@pytest.fixture
def person(client):
    user = make_user("ada", is_staff=True)
    client.force_login(user)
    return user


@pytest.fixture
def made(person):
    return sample_data.make()


@pytest.fixture
def read(monkeypatch):
    """Names that views have read from an address, until the test clears it."""
    names = set()

    def noting(method):
        def noted(self, name, *rest):
            names.add(name)
            return method(self, name, *rest)

        return noted

    for method in ("__getitem__", "__contains__", "getlist"):
        monkeypatch.setattr(QueryDict, method, noting(getattr(QueryDict, method)))
    return names


@pytest.mark.postgresql
def test_no_page_fails_on_a_number_in_its_query(client, made, read):
    failed = []
    for route in OF_PEOPLE:
        if route.startswith("api/v1/"):
            continue  # an operation reads all of its names before it refuses one: see below
        address = filled(route, made)
        read.clear()
        client.get(address)
        # A name that the page does not read, alone, cannot change it.
        asked = read & names_asked_by(PATTERNS[route])
        read.clear()
        # Longer ones are refused before any view reads them: the test below sends them all.
        status = client.get(address, dict.fromkeys(asked, "9" * 18)).status_code if asked else 200
        # A page that refuses one of them may not have looked at the others.
        for name in sorted(asked - read if status == 200 else asked):
            answer = client.get(address, {name: "9" * 18})
            if answer.status_code >= 500:
                failed.append((address, name))

    assert failed == []


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_fails_on_such_a_number_in_all_of_its_query_or_form(client, made, number, method):
    left_out = ("logout/", "tour/") if method == "post" else ()
    routes = [route for route in OF_PEOPLE if route not in left_out]
    if (method, number) == ("get", LARGEST.values[0]):
        # Pages have got it in the test above, also alone.
        routes = [route for route in routes if route.startswith("api/v1/")]
    answers = {
        route: getattr(client, method)(
            filled(route, made), dict.fromkeys(names_asked_by(PATTERNS[route]), number)
        ).status_code
        for route in routes
    }

    assert {route: status for route, status in answers.items() if status >= 500} == {}


def has_a_view(address):
    try:
        return bool(resolve(address))
    except Resolver404:
        return False


@pytest.mark.parametrize("number", [*IN_PATHS, SCRIPT])
@pytest.mark.parametrize("method", ["get", "post"])
def test_no_page_fails_on_such_a_number_in_its_path(client, made, number, method):
    routes = [route for route in OF_PEOPLE if "<int:" in route]
    addresses = [filled(re.sub(r"<int:[^>]+>", number, route), made) for route in routes]
    # Addresses without a view get the same page, whatever they are: one is enough.
    strangers = [address for address in addresses if not has_a_view(address)]
    asked = [address for address in addresses if address not in strangers[1:]]
    answers = {address: getattr(client, method)(address).status_code for address in asked}

    assert {address: status for address, status in answers.items() if status >= 500} == {}
    assert {answers[address] for address in strangers[:1]} <= {404}


@pytest.mark.parametrize(
    "limit", ["000001000000", "201", "0", "9" * 19, "9" * 5000, "1_0", "+5", ""]
)
def test_a_limit_that_is_out_of_bounds_is_refused(client, made, limit):
    answer = client.get("/api/v1/jobs", {"limit": limit})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["limit"])


def test_zeros_before_a_limit_change_nothing(client, made):
    assert len(client.get("/api/v1/jobs", {"limit": "0003"}).json()["jobs"]) == 3


def test_nobody_else_reads_a_number_of_an_address():
    """Settings are read at a start; names of dies and arguments are no numbers of an address."""
    others = {"config/env.py", "pages/shared/die_grid.py", "pages/shared/plan.py"}
    folder = Path(dashboard.__file__).parent
    reading = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"\.is(decimal|digit|numeric)\(", path.read_text())
    }

    assert reading == others
