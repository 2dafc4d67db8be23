"""Bundles: each entry point of scripts and style sheets is one file, with all that it imports.

An entry point is a file directly in ``static/js/`` or ``static/css/``. A start makes the bundles
while it collects static files; with ``DEBUG`` a browser gets the sources themselves.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

# The forms of import and export that our modules have; `bundle` refuses others.
_IMPORTS = {
    ".js": re.compile(r'^import (?:(?P<names>\{[^}]*\}|\w+) from )?"(?P<path>\.[^"]+)";\n', re.M),
    ".css": re.compile(r'^@import "(?P<path>[^"]+)";\n', re.M),
}
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const) (\w+))", re.M)
_EXPORTS = re.compile(r"\bexport\s*\{([^}]*)\};?\s*\Z")
_OTHER_FORM = re.compile(r"^(?:@?import|export)\b.*", re.M)
# Whole lines only, because the signs of a comment may stand in a text.
_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*(?:(?!\*/).)*\*/[ \t]*)\n", re.M | re.S)


class HashedStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Collect bundles instead of what they are made of. Each file's name holds its hash."""

    @property
    def keep_only_hashed_files(self) -> bool:
        """Keep hashed names only: pages use no other."""
        return True

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        if not dry_run:
            folder = Path(settings.STATICFILES_DIRS[0]).resolve()
            entries = sorted([*folder.glob("js/*.js"), *folder.glob("css/*.css")])
            made = {entry: bundle(entry, folder) for entry in entries}
            for entry, (text, _parts) in made.items():
                name = entry.relative_to(folder).as_posix()
                self.delete(name)
                self.save(name, ContentFile(text))
                paths[name] = self, name  # in place of the source
            for part in {part for _text, parts in made.values() for part in parts}.difference(made):
                name = part.relative_to(folder).as_posix()
                self.delete(name)
                del paths[name]
        yield from super().post_process(paths, dry_run, **options)


def bundle(entry: Path, folder: Path) -> tuple[str, list[Path]]:
    """Return the text of a bundle, and the files in it. Paths in it are relative to ``folder``.

    A module becomes a function that is called once a page, also where several bundles have that
    module. Raises ``ValueError`` for an import or export of another form, and for a circle.
    """
    texts: dict[Path, str] = {}
    _read(entry, texts)
    parts = []
    for path, source in texts.items():
        is_vendored = path.is_relative_to(folder / "vendor")  # its comments are licences
        text = source if is_vendored else _COMMENT.sub("", source)
        is_sheet = path.suffix == ".css"
        part = _IMPORTS[".css"].sub("", text) if is_sheet else _module(path, text, folder)
        if other := _OTHER_FORM.search(part):
            raise ValueError(f"{path}: no bundle with {other[0]!r}")
        parts.append(part)
    return "".join(parts), [*texts]


def _read(path: Path, texts: dict[Path, str], above: tuple[Path, ...] = ()) -> None:
    """Add the text of ``path``, after those of all that it imports: the order of a browser."""
    if path in above:
        raise ValueError(f"{path} imports itself, by way of {above[-1]}")
    if path not in texts:
        text = path.read_text()
        for found in _IMPORTS[path.suffix].finditer(text):
            _read(_imported(path, found), texts, (*above, path))
        texts[path] = text


def _imported(path: Path, found: re.Match[str]) -> Path:
    return path.parent.joinpath(found["path"]).resolve()


def _module(path: Path, text: str, folder: Path) -> str:
    """Return a module as a statement: what it exports stands in ``$modules``, by its path."""

    def known(path: Path) -> str:
        return f'globalThis.$modules["{path.relative_to(folder).as_posix()}"]'

    def take(found: re.Match[str]) -> str:
        names = found["names"]
        if not names:
            return ""
        names = names.replace(" as ", ": ") if names[0] == "{" else f"{{ default: {names} }}"
        return f"const {names} = {known(_imported(path, found))};\n"

    exported = [found[1] for found in _EXPORT.finditer(text)]
    if listed := _EXPORTS.search(text):
        each = [name.strip().split(" as ") for name in listed[1].split(",")]
        exported += [": ".join(reversed(names)) for names in each]
        text = text[: listed.start()]
    own = _EXPORT.sub("", _IMPORTS[".js"].sub(take, text))
    if own == text and not exported:
        return text  # also a script that is no module
    return (
        f"globalThis.$modules ??= {{}};\n{known(path)} ??= (() => {{\n{own}\n"
        f"return {{ {', '.join(exported)} }};\n}})();\n"
    )
