"""Reports over the API and by the links of pages: files, and errors by field."""

import pytest
from django.urls import reverse

from tests.factories import make_measured, make_user

TYPES = {"html": "text/html", "md": "text/markdown", "csv": "text/csv"}


@pytest.fixture
def result(client):
    client.force_login(make_user("vi", role="viewer"))
    return make_measured(points=[(1, {"output_tokens_per_s": 50.5})])


@pytest.mark.parametrize("name", ["report-result", "api-report-result"])
@pytest.mark.parametrize("format", sorted(TYPES))
def test_a_report_is_a_download(client, result, name, format):
    query = {"id": f"res-{result.pk}", "language": "zh", "format": format}

    answer = client.get(reverse(name), query)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == f"{TYPES[format]}; charset=utf-8"
    file = f"report-res-{result.pk}.zh.{format}"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{file}"'
    assert "结论" in answer.content.decode()


@pytest.mark.parametrize(
    ("kind", "query", "field"),
    [
        ("result", "id=x", "id"),
        ("result", "", "id"),
        ("result", "id=res-{id}&language=fr", "language"),
        ("result", "id=res-{id}&format=pdf", "format"),
        ("result", "id=res-{id}&level=gone", "level"),
        ("comparison", "id=res-{id}", "id"),
        ("comparison", "group=res-{id}", "group"),
        ("comparison", "", "id"),
        ("comparison", "id=res-{id}&concurrency=x", "concurrency"),
        ("matrix", "id=-1", "id"),
    ],
)
def test_a_wrong_parameter_is_named(client, result, kind, query, field):
    query = query.format(id=result.pk)

    answer = client.get(f"{reverse(f'api-report-{kind}')}?{query}")
    page = client.get(f"{reverse(f'report-{kind}')}?{query}")

    assert answer.status_code == page.status_code == 400
    assert list(answer.json()["fields"]) == [field]
    assert "No report" in page.content.decode()


@pytest.mark.parametrize("query", ["result/?id=res-{id}&level=gone", "comparison/?id=res-{id}"])
def test_a_refusal_is_in_the_language_of_the_reader(client, result, query):
    page = client.get(f"/reports/{query.format(id=result.pk)}&language=zh")

    assert page.status_code == 400
    assert page.context["problems"][0].isascii()


def test_the_pages_have_the_links(client, result):
    other = make_measured(points=[(1, {"output_tokens_per_s": 60.5})])
    one, both = f"id=res-{result.pk}&amp;", f"id=res-{result.pk}&id=res-{other.pk}"

    page = client.get(reverse("result-detail", args=[result.pk])).content.decode()
    compared = client.get(f"{reverse('result-compare')}?{both}").content.decode()

    assert f"{reverse('report-result')}?{one}language=zh&amp;format=html" in page
    both = both.replace("&", "&amp;")
    assert f"{reverse('report-comparison')}?{both}&amp;language=en&amp;format=csv" in compared
