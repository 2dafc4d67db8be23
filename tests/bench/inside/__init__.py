"""Programs with Django set up. Each reads an order as JSON and answers with JSON."""

import json
import sys
from collections.abc import Callable
from typing import Any

import django

django.setup()


def serve(answer: Callable[..., Any]) -> None:
    """Answer the order on standard input."""
    json.dump(answer(**json.load(sys.stdin)), sys.stdout)
