"""Comparisons as tests ask for them: addresses, runs, and what their pages say."""

import csv
import json
import re

from django.urls import reverse
from django.utils.html import strip_tags

from tests.factories import make_user
from tests.measuring import SERVE, measured, served

RATE = "output_tokens_per_s"
OTHER = (*SERVE, "--flash-attention")


def pages(client):
    """Return a function that gets the comparison of a query as HTML, for a signed-in user."""
    client.force_login(make_user("lin"))

    def get(query):
        response = client.get(f"{reverse('result-compare')}?{query}")
        assert response.status_code == 200
        return response.content.decode()

    return get


def moved_runs(host):
    """Make three runs, then three slower ones with another argument; return the last."""
    for rate in (100, 101, 99):
        measured(served(host), points=((1, rate),))
    for rate in (80, 81, 79):
        last = measured(served(host, OTHER), points=((1, rate),))
    return last


def ids(*results):
    return "&".join(f"id=res-{result.pk}" for result in results)


def grouped(*groups):
    return "&".join("group=" + ",".join(f"res-{run.pk}" for run in group) for group in groups)


def text_of(html):
    return re.sub(r"\s+", " ", strip_tags(html.replace("<", " <")))


def numbers(html):
    """The table of the numbers as text, the row of each metric by its name."""
    body = html[html.index("<h2>Metrics</h2>") :]
    rows = body[body.index("<tbody>") : body.index("</tbody>")].split("</tr>")
    return [text_of(row).strip() for row in rows if row.strip()]


def rows_of(answer):
    """The lines of a CSV, each by its columns."""
    return list(csv.DictReader(answer.content.decode("utf-8-sig").splitlines()))


def listed(client, **query):
    """The results that the list shows."""
    return list(client.get(reverse("result-list"), query).context["page"].results)


def figures(html):
    """The charts of a page, by name."""
    found = re.findall(r'<script[^>]*id="([\w-]+)-data"[^>]*>(.*?)</script>', html, re.DOTALL)
    return {name: json.loads(text) for name, text in found}


def at_two(deployment, low, high):
    return measured(deployment, points=((1, low), (4, high)))
