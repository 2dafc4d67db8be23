"""Vendored files, style sheets, templates: what no page shows until it is wrong."""

import json
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template import loader
from django.utils import translation

from dashboard.management.commands import vendor_assets
from dashboard.text.labels import STATES

BASE = Path(settings.BASE_DIR)
STYLES = BASE / "static" / "css"
TEMPLATES = sorted((BASE / "templates").rglob("*.html"))
# Names of the kit that we use as the kit means them.
KIT = {"active", "disabled", "fade", "show", "small"}
KIT_PREFIXES = ("form-", "modal", "dropdown", "toast", "tooltip", "is-invalid", "btn")


def classes_of(text: str) -> set[str]:
    without_urls = re.sub(r"url\([^)]*\)", "", text)
    return set(re.findall(r"\.(-?[A-Za-z_][\w-]*)(?=[^{}]*\{)", without_urls))


def test_vendored_files_are_those_that_the_list_names():
    listed = json.loads(vendor_assets.LIST.read_text())

    assert vendor_assets.problems(listed) == []


def test_an_altered_vendored_file_is_found(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.js").write_text("changed")
    (tmp_path / "lib" / "b.js").write_text("nobody listed me")
    listed = {"packages": [{"folder": "lib", "files": {"a.js": {"sha256": "0" * 64}}}]}

    assert vendor_assets.problems(listed, tmp_path) == [
        "lib/a.js is not the file that VENDORED.json names",
        "lib/b.js is not in VENDORED.json",
    ]


def test_an_edit_takes_source_maps_and_older_fonts_away():
    css = (
        b'a{src:url(f.woff2) format("woff2"),url(f.woff) format("woff")}\n'
        b"/*# sourceMappingURL=x.map */"
    )

    assert vendor_assets.edited(css, ["no-source-map", "woff2-only"]) == (
        b'a{src:url(f.woff2) format("woff2")}'
    )


@pytest.mark.parametrize("path", sorted(STYLES.glob("*.css")), ids=lambda path: path.name)
def test_raw_colours_stand_in_the_tokens_only(path):
    if path.name == "tokens.css":
        return

    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[\s;,)])|rgba?\(|hsla?\(", path.read_text()) == []


@pytest.mark.parametrize("path", sorted(STYLES.glob("*.css")), ids=lambda path: path.name)
def test_style_sheets_use_tokens_that_exist(path):
    known = set(re.findall(r"(--[\w-]+)\s*:", (STYLES / "tokens.css").read_text()))
    text = path.read_text()
    known |= set(re.findall(r"(--[\w-]+)\s*:", text))
    # "--side" and the like are set where they are used, with a fallback beside.
    used = set(re.findall(r"var\((--[\w-]+)\s*\)", text))

    assert sorted(name for name in used - known if not name.startswith("--tblr-")) == []


def test_no_class_of_ours_is_one_of_the_kit():
    kit = classes_of((BASE / "static/vendor/tabler/tabler.min.css").read_text())
    ours = set().union(*(classes_of(path.read_text()) for path in STYLES.glob("*.css")))
    shared = {name for name in ours & kit if name not in KIT}

    assert sorted(name for name in shared if not name.startswith(KIT_PREFIXES)) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(BASE)))
def test_templates_have_no_style_and_no_inline_script(path):
    text = path.read_text()
    if path.name == "report.html":  # a file of its own, whose policy permits both by checksum
        return

    assert re.findall(r"\sstyle=|<style|\son[a-z]+=[\"']", text) == []
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))", text) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(BASE)))
def test_templates_compile(path):
    loader.get_template(str(path.relative_to(BASE / "templates")))


def test_templates_name_icons_that_the_sprite_has():
    sprite = (BASE / "static" / "icons.svg").read_text()
    known = set(re.findall(r'id="i-([\w-]+)"', sprite))
    used = {
        name for path in TEMPLATES for name in re.findall(r'\{% icon "([\w-]+)"', path.read_text())
    }

    assert sorted(used - known) == []


def test_every_state_has_a_sprite_shape_and_a_css_class():
    sprite = (BASE / "static" / "icons.svg").read_text()
    shapes = set(re.findall(r'id="s-([\w-]+)"', sprite))

    assert {look.shape for look in STATES.values()} <= shapes


def test_both_languages_are_offered():
    assert [code for code, _ in settings.LANGUAGES] == ["en", "zh-hans"]
    with translation.override("zh-hans"):
        assert translation.get_language() == "zh-hans"
