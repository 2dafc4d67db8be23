"""Render pages of ``docs/`` as HTML: the help of the dashboard, without a network."""

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils.translation import get_language, gettext_noop
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(settings.BASE_DIR) / "docs"
# Groups by reader; each page is a file of docs/, its title the file's first heading.
GROUPS: Mapping[str, tuple[str, ...]] = {
    gettext_noop("User guide"): (
        *("use/launch", "use/watch", "use/evaluate", "use/answers", "use/tokens", "use/compare"),
        *("use/accuracy", "use/reports", "use/organise", "use/import", "use/endpoints"),
        *("use/probe", "use/chat", "use/gateway", "use/api", "use/client"),
    ),
    gettext_noop("Operation"): (
        *("run/settings", "run/hosts", "run/offline", "run/large", "run/backup"),
        *("run/storage", "run/security", "run/threat-model", "run/vllm-on-cpu"),
    ),
    gettext_noop("Development"): (
        *("glossary", "architecture", "decisions/README", "performance", "reliability", "coverage"),
    ),
}
# Where a page of the dashboard is explained: the beginning of its view's name, and the address
# below docs/. The first that fits counts.
HELP: Mapping[str, str] = {
    "overview": "use/launch/",
    "question": "use/evaluate/#data-sets",
    "launch-matrix": "use/launch/#presets-and-matrices",
    "launch": "use/launch/#one-job",
    "matrix": "use/launch/#presets-and-matrices",
    "pipeline": "use/launch/#from-a-model",
    "model-pipeline": "use/launch/#from-a-model",
    "model": "use/launch/#a-model-of-your-own",
    "host-queue": "use/launch/#the-queue",
    "host-add": "run/hosts/#add-a-host",
    "host": "run/hosts/",
    "job-probe": "use/probe/",
    "job": "use/watch/",
    "deployment": "use/watch/#the-log",
    "endpoint": "use/endpoints/",
    "parity": "use/accuracy/",
    "result-answer": "use/answers/#the-reader",
    "result-compare": "use/compare/#compare",
    "result-tables": "use/accuracy/#tables",
    "result-fleet": "use/organise/#by-model",
    "result-tradeoff": "use/tokens/#accuracy-and-speed",
    "result-paired": "use/tokens/#accuracy-and-speed",
    "result-list": "use/organise/#filters-and-views",
    "result": "use/compare/",
    "import": "use/import/",
    "report": "use/reports/",
    "prompt": "use/launch/#prompts-of-your-own",
    "level": "use/compare/#conclusion",
    "playground": "use/chat/",
    "conversation": "use/chat/",
    "side-by-side": "use/chat/#side-by-side",
    "gateway": "use/gateway/",
    "storage": "run/storage/",
    "secret": "run/security/",
    "source": "run/security/#permitted-programs-and-sources",
    "audit": "run/security/#audit-log",
    "token": "use/api/#tokens",
    "api-root": "use/api/",
    "people": "run/security/",
    "person": "run/security/",
}
# The index of decisions is in the list of pages, each decision is a link there.
PAGES = frozenset(
    (
        *(name for names in GROUPS.values() for name in names),
        *(f"decisions/{path.stem}" for path in (ROOT / "decisions").glob("*.md")),
    )
)
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


class ManualPage(NamedTuple):
    """One page: its title as text, its body as HTML, and ``(id, title)`` of its sections."""

    title: str
    body: str
    sections: tuple[tuple[str, str], ...]


def page(name: str) -> ManualPage:
    """Return the page ``name`` of ``PAGES`` in the viewer's language. Raises ``KeyError``."""
    if name not in PAGES:
        raise KeyError(name)
    chinese = ROOT / f"{name}.zh.md"
    is_chinese = (get_language() or "").startswith("zh") and chinese.is_file()
    english = ROOT / f"{name}.md"
    page = _read(english, english.stat().st_mtime_ns, reverse("docs"))
    if not is_chinese:
        return page
    ids = tuple(slug for slug, _ in page.sections)
    return _read(chinese, chinese.stat().st_mtime_ns, reverse("docs"), ids)


@lru_cache(maxsize=64)
def _read(path: Path, _changed_ns: int, root: str, ids: tuple[str, ...] = ()) -> ManualPage:
    """The page of a file. ``ids`` of its sections, if given, for links in any language."""
    tokens = _markdown.parse(path.read_text("utf-8"))
    title, head = "", 0
    sections: list[tuple[str, str]] = []
    taken: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            text = "".join(child.content for child in tokens[index + 1].children or ())
            if token.tag == "h1" and not title:
                title, head = text, index + 3
                continue
            is_known = token.tag == "h2" and len(sections) < len(ids)
            slug = ids[len(sections)] if is_known else _slug(text, taken)
            token.attrSet("id", slug)
            if token.tag == "h2":
                sections.append((slug, text))
        if token.type == "fence":  # it scrolls by itself, also from a keyboard
            token.attrSet("tabindex", "0")
        for child in token.children or ():
            _point(child, path, root)
    body = _markdown.renderer.render(_with_scrolling_tables(tokens[head:]), _markdown.options, {})
    return ManualPage(title, body, tuple(sections))


def _slug(text: str, taken: dict[str, int]) -> str:
    slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    taken[slug] = taken.get(slug, -1) + 1
    return slug if not taken[slug] else f"{slug}-{taken[slug]}"


def _point(child: Token, path: Path, root: str) -> None:
    """Point a link or picture at the dashboard's address; a file that it does not serve is text.
    ``/api/v1/`` and its like are pages of the dashboard."""
    if child.type == "image":
        name = PurePosixPath(str(child.attrGet("src"))).name
        child.attrSet("src", f"{root}images/{name}")
    elif child.type == "link_open":
        href = str(child.attrGet("href"))
        if re.match(r"[a-z]+:|#", href):
            return
        if href.startswith("/"):
            child.attrSet("href", root.removesuffix("docs/") + href[1:])
            return
        target, _, fragment = href.partition("#")
        file = (path.parent / target).resolve()
        name = file.with_suffix("").relative_to(ROOT).as_posix() if ROOT in file.parents else ""
        if name in PAGES:
            child.attrSet("href", f"{root}{name}/" + (f"#{fragment}" if fragment else ""))
        else:
            child.attrs = {"title": target, "class": "in-the-repository"}


def _with_scrolling_tables(tokens: list[Token]) -> list[Token]:
    box = Token("html_block", "", 0, content='<div class="scroll" tabindex="0" role="group">')
    end = Token("html_block", "", 0, content="</div>")
    out = []
    for token in tokens:
        if token.type == "table_open":
            token.attrSet("class", "t dense")
            out.append(box)
        # The policy of the pages forbids inline styles.
        if token.attrs.pop("style", "") == "text-align:right":
            token.attrSet("class", "r")
        out.append(token)
        if token.type == "table_close":
            out.append(end)
    return out


def titles() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (group, [(name, page(name).title) for name in names]) for group, names in GROUPS.items()
    ]


def help_for(view_name: str) -> str:
    """Address below ``docs/`` that explains the page of the view; "" where none does."""
    return next((to for begin, to in HELP.items() if view_name.startswith(begin)), "")
