"""Bundles have all that their entry point imports, in the order of a browser."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import call_command

from dashboard.server.bundles import bundle

FILES = {
    "js/page.js": """// @ts-check
import { count, kept as held } from "./lib/count.js";
import text from "../vendor/kit.js";
import { Shape } from "../vendor/kit.js";
export async function last() {}
console.log(count(), held, text, Shape.name); // shown
""",
    "js/other.js": 'import { count } from "./lib/count.js";\nconsole.log(count());\n',
    "js/lib/count.js": """let number = 0;
/**
 * Long words.
 */
export function count() { return ++number; }
export const kept = "/* no comment */";
""",
    "vendor/kit.js": '/*! Licence */\nconst T="text";class S{}export{T as default,S as Shape};\n',
    "css/page.css": """/* All. */
@import "./first.css";
@import "../vendor/kit.css";
a { b: c }
""",
    "css/first.css": "d { e: f }\n",
    "vendor/kit.css": "/* Licence */\ng { h: i }\n",
}


@pytest.fixture
def made(tmp_path):
    """A function that bundles one of the files, of which some may be replaced."""
    folder = tmp_path / "static"

    def make(name, **replaced):
        for path, text in {**FILES, **replaced}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        text, parts = bundle(folder / name, folder)
        return text, [part.relative_to(folder).as_posix() for part in parts]

    return make


def test_a_style_sheet_has_its_imports_first_and_licences_stay(made):
    text, parts = made("css/page.css")

    assert text == "d { e: f }\n/* Licence */\ng { h: i }\na { b: c }\n"
    assert parts == ["css/first.css", "vendor/kit.css", "css/page.css"]


def test_a_module_of_two_bundles_runs_once(made, tmp_path):
    program = shutil.which("node")
    if program is None:
        pytest.skip("no Node on the PATH")
    both = tmp_path / "both.mjs"
    both.write_text(made("js/page.js")[0] + made("js/other.js")[0])

    done = subprocess.run([program, both], capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["1 /* no comment */ text S", "2"], done.stderr


def test_a_start_collects_bundles_alone_also_from_a_linked_folder(made, tmp_path, settings):
    made("js/page.js")
    link, root = tmp_path / "link", tmp_path / "collected"
    link.symlink_to(tmp_path / "static")
    settings.STATICFILES_DIRS, settings.STATIC_ROOT = [link], root
    settings.STORAGES = {"staticfiles": {"BACKEND": "dashboard.server.bundles.HashedStorage"}}

    call_command("collectstatic", verbosity=0, interactive=False)

    names = sorted(re.sub(r"\.\w{12}", "", path.name) for path in root.rglob("*.*s"))
    assert names == ["first.css", "other.js", "page.css", "page.js"]


def test_comments_of_ours_go_and_licences_stay(made):
    text, parts = made("js/page.js")

    assert "Licence" in text
    assert "Long words" not in text
    assert parts == ["js/lib/count.js", "vendor/kit.js", "js/page.js"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('import * as all from "./lib/count.js";\n', "no bundle with 'import"),
        ("export let open = 1;\n", "no bundle with 'export let"),
        ('export * from "./lib/count.js";\n', "no bundle with 'export"),
        ('import "../page.js";\n', "imports itself"),
    ],
)
def test_what_a_bundle_cannot_have_is_refused(made, line, words):
    with pytest.raises(ValueError, match=words):
        made("js/page.js", **{"js/lib/count.js": FILES["js/lib/count.js"] + line})


def test_a_script_without_imports_stays_a_script():
    folder = Path(project.STATICFILES_DIRS[0])

    assert bundle(folder / "js" / "theme.js", folder)[0].startswith("(function () {")
