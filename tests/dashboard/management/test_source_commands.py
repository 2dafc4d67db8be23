"""The commands of permitted sources."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from jobs.models import AuditEntry, Source
from tests.factories import make_user, permit_source

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
GIT = "https://git.example/team"


def run(*arguments):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_a_source_is_added_listed_and_deleted():
    said = run("add_source", "git", GIT, "--note", "ours")
    row = Source.objects.get()
    assert said == f"{GIT} added as source {row.pk}.\n"
    lines = run("list_sources").splitlines()
    assert lines[1].split() == [str(row.pk), "git", GIT, "manage.py", "ours"]
    assert any(line.split()[1:4] == ["hub", "https://hf-mirror.com", "included"] for line in lines)

    assert run("delete_source", str(row.pk)) == f"{GIT} removed.\n"

    assert not Source.objects.exists()
    entries = AuditEntry.objects.order_by("pk")
    assert [(one.user, one.detail["did"]) for one in entries] == [(None, "add"), (None, "delete")]


def test_the_list_names_who_added_a_source():
    permit_source(GIT, user=make_user("ada"))

    assert run("list_sources").splitlines()[1].split()[3] == "ada"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add_source", "git", "http://git.example"), r"Not added\.(.|\n)*address: Enter a web"),
        (("add_source", "data", GIT), "invalid choice: 'data'"),
        (("delete_source", "7"), r"There is no source 7\. See: manage\.py list_sources"),
    ],
)
def test_an_error_says_what_is_wrong(arguments, message):
    with pytest.raises(CommandError, match=message):
        run(*arguments)

    assert not Source.objects.exists()
