"""Numbers of results in addresses, queries and bodies: "res-15". Importing it registers both path
converters: ``result`` for pages, ``typed_result`` for the API, which says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any

from django.urls import register_converter
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dashboard.text.messages import message
from jobs.base.numbers import RESULT_PATTERN, result_number
from jobs.queries.results.named import NotNumbered, pk_of


class ResultPath:
    """The id of a result in the path of a page; other texts are other addresses."""

    regex = RESULT_PATTERN

    def to_python(self, text: str) -> int:
        """Return the id."""
        return pk_of(text)

    def to_url(self, pk: int) -> str:
        """Return the number of a result."""
        return result_number(int(pk))


class TypedResultPath(ResultPath):
    """Any text in place of a result's number: an operation of the API answers with its error."""

    regex = "[^/]+"

    def to_python(self, text: str) -> Any:
        """Return the text."""
        return text


def _read(value: Any) -> int:
    try:
        return pk_of(str(value))
    except NotNumbered as error:
        text = message(error.reason.id, error.reason.args)
        raise PydanticCustomError("result_number", "{text}", {"text": text}) from None


SCHEMA = {"type": "string", "pattern": f"^{RESULT_PATTERN}$", "examples": ["res-15"]}
# The number of a result in a request, its id in Python.
ResultId = Annotated[int, BeforeValidator(_read), WithJsonSchema(SCHEMA)]

register_converter(ResultPath, "result")
register_converter(TypedResultPath, "typed_result")
