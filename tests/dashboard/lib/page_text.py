"""The words of a page."""

import html
import re


def text_of(answer):
    """The page's words, spaces made one, without what only hovering shows."""
    text = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return re.sub(r"\s+(?=[ ,:])", "", re.sub(r"\s+", " ", html.unescape(text)))
