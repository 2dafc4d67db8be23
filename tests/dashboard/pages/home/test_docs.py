"""The documentation that the dashboard serves: every page, link, picture and "?"."""

import html
import re

import pytest
from django.urls import get_resolver, reverse
from django.utils.translation import override

from dashboard.pages.shared import manual
from dashboard.settings import BASE_DIR

NAMES = sorted(manual.PAGES)


def html_of(client, name):
    response = client.get(reverse("docs-page", args=[name]))
    assert response.status_code == 200
    return response.text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_links_of_a_page_lead_somewhere(name, language):
    with override(language):
        for href in re.findall(r'<a href="([^"]+)"', manual.page(name).body):
            path, _, fragment = href.partition("#")
            if not href.startswith(("http:", "https:", "/api/", "/account/")):
                there = manual.page(path.removeprefix("/docs/").strip("/") or name).body
                assert not fragment or f'id="{fragment}"' in there, href


def test_links_out_of_the_guide_and_its_pictures_are_served(member):
    bodies = "".join(manual.page(name).body for name in NAMES)

    for address in set(re.findall(r'<a href="(/(?:api|account)/[^"#]*)', bodies)):
        assert member.get(address).status_code == 200, address
    for source in set(re.findall(r'<img src="([^"]+)"', bodies)):
        assert member.get(source).headers["Content-Type"] == "image/png"


@pytest.mark.parametrize("name", manual.GROUPS["Operation"])
def test_a_page_is_served_with_its_title(member, name):
    assert manual.page(name).title in html.unescape(html_of(member, name))


@pytest.mark.parametrize("name", NAMES)
def test_links_of_a_file_lead_to_files(name):
    path = manual.ROOT / f"{name}.md"

    for target in re.findall(r"\]\((?!https?:|#|/)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize(("begin", "address"), manual.HELP.items())
def test_help_of_a_view_is_there(begin, address):
    name, _, fragment = address.partition("#")
    views = [one for one in get_resolver().reverse_dict if isinstance(one, str)]

    assert any(view.startswith(begin) for view in views)
    assert not fragment or f'id="{fragment}"' in manual.page(name.strip("/")).body


@pytest.mark.parametrize(
    "name", [path.relative_to(manual.ROOT).as_posix() for path in manual.ROOT.rglob("*.zh.md")]
)
def test_a_translated_page_has_the_sections_of_the_english_one(name):
    english = manual.page(name.removesuffix(".zh.md"))
    with override("zh-hans"):
        chinese = manual.page(name.removesuffix(".zh.md"))

    assert chinese.title != english.title
    assert [slug for slug, _ in chinese.sections] == [slug for slug, _ in english.sections]
    assert len(re.findall("<h2", chinese.body)) == len(english.sections)


def test_the_more_special_view_is_looked_for_first():
    begins = list(manual.HELP)

    for index, begin in enumerate(begins):
        assert not [one for one in begins[:index] if begin.startswith(one)], begin


def test_a_page_offers_the_help_that_is_about_it(member):
    address = f"{reverse('docs-page', args=['use/organise'])}#filters-and-views"

    assert f'href="{address}"' in member.get(reverse("result-list")).text


@pytest.mark.parametrize("path", ["nothing/", "../README/", "use/launch.md/", "images/none.png"])
def test_what_is_no_page_is_not_found(member, path):
    assert member.get(f"/docs/{path}").status_code == 404


def test_text_of_a_page_is_never_markup(tmp_path, monkeypatch, member):
    monkeypatch.setattr(manual, "ROOT", tmp_path)
    monkeypatch.setattr(manual, "GROUPS", {"User guide": ("use/launch",)})
    (tmp_path / "use").mkdir()
    (tmp_path / "use/launch.md").write_text("# Launch <b>\n\n<script>alert(1)</script>\n")

    text = html_of(member, "use/launch")

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)" in text


def test_all_files_for_users_are_pages():
    files = {
        path.relative_to(BASE_DIR / "docs").with_suffix("").as_posix()
        for folder in ("use", "run")
        for path in (BASE_DIR / "docs" / folder).glob("*.md")
        if not path.name.endswith(".zh.md")
    }

    assert files <= manual.PAGES
