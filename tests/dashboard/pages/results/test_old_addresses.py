"""Addresses of earlier versions lead to those with the number of a result."""

import html

import pytest
from django.urls import reverse

from tests import sample_data
from tests.dashboard.lib.routes import OF_PEOPLE, OLD, PATTERNS, filled
from tests.factories import make_evaluation, make_job, make_result
from tests.jobs.lib.importing import imported
from tests.pages import PAGES


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/results/15/", "/results/res-15/"),
        ("/results/15/answers/3/?show=cut&q=a%20b", "/results/res-15/answers/3/?show=cut&q=a%20b"),
        ("/results/15/result.csv", "/results/res-15/result.csv"),
        ("/results/compare/?id=3&id=4&all=1", "/results/compare/?id=res-3&id=res-4&all=1"),
        (
            "/results/compare/?concurrency=8&group=3,4&group=5,6",
            "/results/compare/?concurrency=8&group=res-3,res-4&group=res-5,res-6",
        ),
        ("/parity/?base=3,4&id=5&margin=2", "/parity/?base=res-3,res-4&id=res-5&margin=2"),
        ("/results/tables/?id=3&name=H800", "/results/tables/?id=res-3&name=H800"),
        (
            "/results/res-15/answers/?show=changed&base=3",
            "/results/res-15/answers/?show=changed&base=res-3",
        ),
        ("/reports/result/?id=3&format=md", "/reports/result/?id=res-3&format=md"),
        ("/reports/comparison/?group=3,4&id=5", "/reports/comparison/?group=res-3,res-4&id=res-5"),
        ("/reports/parity/?base=3&id=5", "/reports/parity/?base=res-3&id=res-5"),
    ],
)
def test_an_old_address_leads_to_the_same_result(member, old, new):
    answer = member.get(old)

    assert (answer.status_code, answer["Location"]) == (301, new)


def test_the_number_of_a_matrix_stays(member):
    assert member.get("/reports/matrix/?id=3").status_code == 404


def test_nothing_is_changed_at_an_old_address(member):
    result = make_result()

    assert member.post(f"/results/{result.pk}/notes/", {"text": "seen"}).status_code == 405


@pytest.mark.parametrize("address", ["/results/0/", f"/results/{'9' * 19}/"])
def test_a_number_of_no_result_ends_in_not_found(member, address):
    assert member.get(address, follow=True).status_code == 404


def test_an_old_address_of_an_import_leads_to_its_result(member):
    result = imported()

    answer = member.get(f"/results/imports/{result.imported_id}/files/0/")

    assert answer["Location"] == f"/results/res-{result.pk}/files/0/"
    assert member.get(f"/results/imports/{'9' * 19}/files/0/").status_code == 404


def test_no_fragment_or_file_has_an_old_address(member):
    made = sample_data.make()
    old = {}
    for route in OF_PEOPLE:
        if PATTERNS[route].name in PAGES:
            continue  # see test_every_page.py
        body = html.unescape(member.get(filled(route, made)).content.decode(errors="replace"))
        if found := OLD.search(body):
            old[route] = found[0]

    assert old == {}


def test_a_job_is_never_taken_for_a_result(member):
    make_job()  # so that the job of one result has the number of another
    made = [make_evaluation([1, 0]), make_evaluation([1, 1])]
    job = made[1].job_id
    assert job != made[1].pk
    wrong = f"“#{job}” is no result. Results are written as res-15. #{job} is a job; its result is "

    pages = (
        member.get(reverse("result-compare"), {"id": [f"#{job}", "res-1"]}),
        member.get(reverse("result-tables"), {"id": f"#{job}"}),
        member.get(reverse("result-answers", args=[made[0].pk]), {"base": f"#{job}"}),
        member.get(reverse("parity"), {"base": f"#{job}", "id": f"res-{made[0].pk}"}),
        member.get(reverse("report-result"), {"id": f"#{job}"}),
        member.post(reverse("result-tag"), {"id": f"#{job}", "tags": "x"}, follow=True),
    )

    for page in pages:
        assert f"{wrong}res-{made[1].pk}." in page.content.decode()


def test_old_and_new_numbers_together_are_refused(member):
    page = member.get("/results/compare/?id=3&id=res-4")

    assert page.status_code == 400
    assert "“3” is no result. Results are written as res-15." in page.content.decode()
