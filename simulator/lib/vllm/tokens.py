"""A tokenizer of our own: about four letters, or one Chinese character, a token."""

import re

_PIECE = re.compile(r"</?think>|\n+|[ ]?[A-Za-z0-9'\\]{1,5}|[ ]?[^\sA-Za-z0-9]|\s+")


def split(text: str) -> list[str]:
    """The pieces of a text; together they are the text."""
    return _PIECE.findall(text)


def count(text: str) -> int:
    """Number of tokens of a text."""
    return len(split(text))
