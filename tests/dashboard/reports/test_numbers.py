"""Every number of a report is that of the API for the same records, or of its means and intervals.

Not compared: names of records, versions and models (a digit beside a letter); dates, which have
tests of their own; percentiles and levels of intervals, which are names; p below
0.001; commands, which are the job's script; points of charts, whose tables have them; "about 59
000", an estimate in two digits; how many settings are equal; ``NOT_COMPARED``.
"""

import re
from html.parser import HTMLParser
from math import expm1, log1p

import pytest
from django.urls import reverse

from jobs.metrics import METRICS, UNITS, rate_in
from jobs.models import Matrix
from jobs.statistics import LEAST_RUNS, mean_interval, relative_change, relative_difference
from jobs.statistics.paired import wilson
from jobs.statistics.repeats import mean
from tests.factories import (
    make_cell,
    make_evaluation,
    make_host,
    make_job,
    make_measured,
    make_user,
)
from tests.measuring import SERVE, make_measuring_host, measured, served

pytestmark = pytest.mark.django_db

CONCURRENCIES = (1, 2, 4)
WATTS = {"power_mean_w": 137.9}
RATE, DIES = rate_in("total"), 16
# What divides the output rate of an engine on these dies, which are four cards.
SHARES = {"total": 1, "die": DIES, "card": 4, "server": 1, "watt": WATTS["power_mean_w"]}

# Parts and rows of which the API has no number.
NOT_COMPARED = {
    "Next steps": "advice: loads to measure next",
    "Size": "bytes of the compiled weights",
    "Duration": "of the job",
}
_NAMES = re.compile(
    r"\d{1,2} [A-Z][a-z]{2} \d{4}(?:, [\d:]+ UTC(?:\+00:00)?)?|\b\w+-\d+(?: × \d+)?|#\d+|95 %"
    r"|p\d\d|< 0\.001|about [\d\u202f]+|\d+ settings? (?:is|are) equal"
)
_NUMBER = re.compile(r"(?<![\w.])[+−-]?\d[\d\u202f]*(?:\.\d+)?(?![\w]|\.\d)")


class Shown(HTMLParser):
    """Texts of a report with their headings: (part, row, column, text)."""

    def __init__(self, html):
        super().__init__()
        self.found, self.part, self.heads, self.row, self.path = [], "", [], "", []
        self.text, self.at = "", 0
        self.feed(re.sub(r"<(style|script)\b.*?</\1>|<pre>.*?</pre>", "", html, flags=re.DOTALL))

    def handle_starttag(self, tag, _attrs):
        if tag in ("h1", "h2", "h3", "p", "li", "dt", "dd", "th", "td"):
            self.text = ""
        if tag == "table":
            self.heads = []
        elif tag == "tr":
            self.at = 0
        elif tag == "small":
            self.text += " "
        elif tag == "tbody":
            self.path = ["tbody"]
        elif tag == "thead":
            self.path = ["thead"]

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        text = " ".join(re.split("[ \n]+", self.text)).strip()
        if tag in ("h2", "h3"):
            self.part = text
        elif tag == "dt":
            self.row = text
        elif tag == "th" and self.path == ["thead"]:
            self.heads.append(text)
        elif tag in ("th", "td"):
            if self.at == 0:
                self.row = text
            self.found.append((self.part, self.row, self.heads[self.at], text))
            self.at += 1
        elif tag in ("h1", "p", "li", "dd"):
            self.found.append((self.part, self.row if tag == "dd" else "", "", text))


def leaves(value):
    """Numbers of an answer, also those in its texts."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from leaves(one)
            yield from leaves(name)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        plain = re.sub(r"\d{4}-\d\d-\d\dT\S+", "", value)  # a date is no number
        yield from map(float, re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?!\w)", plain))
    elif value is not None:
        yield float(value)


TITLES = {METRICS[name].label.lower(): name for name in METRICS if name != "concurrency"}
TITLES["best throughput"] = RATE


def metric_of(*texts):
    """The metric that the first text names which names one."""
    for text in texts:
        if named := [title for title in TITLES if title in text.lower()]:
            return TITLES[max(named, key=len)]
    return ""


def is_one_of(text, numbers):
    """Is a shown number one of these, rounded as it is shown, as it is or in per cent?"""
    plain = text.replace("\u202f", "").replace("−", "-")
    digits = len(plain.partition(".")[2])
    half = 0.5000001 * 10**-digits
    value = abs(float(plain))
    return any(abs(abs(one) * scale - value) <= half for one in numbers for scale in (1, 100))


def with_means(values):
    bounds = mean_interval(values)
    return [*values, mean(values), len(values), *((bounds.low, bounds.high) if bounds else ())]


def of_points(answers, name, at):
    """A metric of several results at a concurrency; None: at all."""
    return [
        point["metrics"][name]
        for answer in answers
        for point in answer["points"]
        if name in point["metrics"] and at in (None, point["concurrency"])
    ]


@pytest.fixture
def get(client):
    client.force_login(make_user("ada"))
    return lambda name, *args, **query: client.get(reverse(name, args=args), query).json()


@pytest.fixture
def groups():
    """Three runs each of two deployments."""
    host, pairs = make_measuring_host(), []
    for scale, argv in ((1, SERVE), (1.37, (*SERVE, "--flash-attention"))):
        deployment = served(host, argv)
        points = [
            [(c, scale * (38.137 + n / 7) * c**0.81) for c in CONCURRENCIES] for n in range(3)
        ]
        pairs.append([measured(deployment, points=one) for one in points])
    return pairs


def check(html, known, *, least):
    """Check each shown number. ``known(part, row, column)`` returns what it may be, and whether
    that is less than all numbers of the answer; ``least`` numbers are such ones."""
    wrong, count = [], 0
    for part, row, column, text in Shown(html).found:
        if {part, row} & set(NOT_COMPARED):
            continue
        for number in _NUMBER.findall(_NAMES.sub(" ", text)):
            numbers, is_exact = known(part, row, column)
            count += is_exact
            if not is_one_of(number, numbers):
                wrong.append((part, row, column, text, number))
    assert not wrong, "\n".join(map(str, wrong))
    assert count >= least


def concurrency_of(*texts):
    """The concurrency of the first text that begins with one: "4 recommended"."""
    found = [int(text.split()[0]) for text in texts if text.partition(" ")[0].isdigit()]
    return found[0] if found else None


@pytest.mark.parametrize("runs", [1, 3])
def test_numbers_of_a_benchmark(write, get, groups, runs):
    shown = groups[0][:runs]
    for other in groups[0][runs:]:
        other.delete()
    answers = [get("api-result", one.pk) for one in shown]

    def known(part, row, column):
        name = metric_of(row, column, part)
        if not name or not of_points(answers, name, None):
            return [*leaves(answers), runs, LEAST_RUNS], False
        at = concurrency_of(column)
        places = [at] if at else CONCURRENCIES
        values = [with_means(of_points(answers, name, one)) for one in places]
        return [*places, runs, *(one for each in values for one in each)], True

    check(write("result", id=f"res-{shown[0].pk}"), known, least=6 * runs)


@pytest.mark.parametrize("runs", [1, 3])
def test_numbers_of_a_comparison(write, get, groups, runs):
    groups = [group[:runs] for group in groups]
    sides = [[get("api-result", one.pk) for one in group] for group in groups]

    def known(part, row, column):
        name, at = metric_of(row, part), concurrency_of(row, part.rpartition(" ")[2])
        is_metric = bool(of_points(sides[0], name, at or 1))
        if not is_metric:
            name, at = "output_tokens_per_s", CONCURRENCIES[-1]  # of the conclusion
        pair = [of_points(side, name, at) for side in sides]
        gap = relative_difference(*pair)
        gaps = [gap.value, gap.low, gap.high] if gap else [relative_change(*pair)]
        index = [at for at, group in enumerate(groups) if f"res-{group[0].pk}" in column]
        if is_metric and index:
            return [*with_means(pair[index[0]]), at], True
        if is_metric and column:
            return [*gaps, at], True
        return [*gaps, *leaves(sides), at, runs, *CONCURRENCIES], False

    ids = {"id": [f"res-{group[0].pk}" for group in groups]}
    named = {"group": [",".join(f"res-{one.pk}" for one in group) for group in groups]}

    check(write("comparison", **(ids if runs == 1 else named)), known, least=20)


def test_numbers_of_an_evaluation_and_of_two(write, get):
    base, other = make_evaluation([1] * 71 + [0] * 26), make_evaluation([0, 1] * 20 + [1] * 57)
    answers = [get("api-result", one.pk) for one in (base, other)]
    parity = get("api-parity", base=f"res-{base.pk}", id=f"res-{other.pk}")

    def of_one(_part, row, column):
        scores = [one["score"] for one in answers[0]["answers"] if one["detail"]["category"] == row]
        right, total = sum(scores), len(scores)
        if column and scores:
            share = wilson(right, total)
            return [right, total, share.value, share.low, share.high], True
        return [*leaves(answers[0])], not column

    def of_two(_part, _row, _column):
        return [*leaves(answers), *leaves(parity)], True

    pair = [f"res-{base.pk}", f"res-{other.pk}"]
    check(write("result", id=pair[0]), of_one, least=8)
    check(write("comparison", id=pair), of_two, least=8)
    check(write("parity", base=pair[0], id=pair[1]), of_two, least=8)


def make_matrix(title, *, scale=1.0, dies=0, columns=2):
    """A matrix of three runs a cell, at 1, 2, 4, … requests."""
    host = make_host()
    spec = {"workload": "own", "requests": 4, "repeats": 3, "shuffled": True, "order_seed": 7}
    matrix = Matrix.objects.create(title=title, kind="benchmark-online", host=host, spec=spec)
    for column in range(columns):
        for repeat in range(3):
            rate = scale * (41.317 + repeat) * (1 + column * 0.77)
            metrics = {"output_tokens_per_s": rate, "ttft_p50_ms": 7123.4 / rate} | WATTS
            job = make_job(host=host, state="succeeded")
            context = {"dies": [*range(dies)]}
            make_measured(job=job, points=[(2**column, metrics)], run_context=context)
            make_cell(matrix, column, job, repeat=repeat + 1, place=3 * column + repeat)
    return matrix


def of_cells(answer, name):
    """The values of each cell, by concurrency. A rate in a unit is that of the engine, divided."""
    name, unit = (RATE, name.removeprefix(f"{RATE}_per_")) if name.startswith(RATE) else (name, "")
    share = SHARES.get(unit, 1)
    return {
        cell["concurrency"]: [run["metrics"][name] / share for run in cell["runs"]]
        for cell in answer["cells"]
    }


@pytest.mark.parametrize("per", UNITS)
def test_numbers_of_a_matrix(write, get, db, per):
    matrix = make_matrix("r", dies=DIES)
    answer = get("api-matrix", matrix.pk)

    def known(part, row, column):
        name, at = metric_of(part, row, column), concurrency_of(column)
        if at is None or not name:
            rates = of_cells(answer, rate_in(per))
            means = [one for values in rates.values() for one in with_means(values)]
            rest = {key: value for key, value in answer.items() if key != "cells"}
            return [*leaves(rest), *means, 1024, 256, 1, 2, 6, DIES], False
        return [*with_means(of_cells(answer, name)[at]), 1024, 256], True

    check(write("matrix", id=matrix.pk, per=per), known, least=12)


@pytest.mark.parametrize("per", UNITS)
def test_numbers_of_matrices_side_by_side(write, get, db, per):
    dies, made = (DIES, 2 * DIES), []
    for name, scale, count in zip("ab", (1, 1.43), dies, strict=True):
        made.append(make_matrix(name, scale=scale, dies=count, columns=3 - len(made)))
    answers = [get("api-matrix", one.pk) for one in made]
    shares = [SHARES[per] * (count / DIES if per in ("die", "card") else 1) for count in dies]
    sides = [
        {at: [value / share for value in values] for at, values in of_cells(answer, RATE).items()}
        for answer, share in zip(answers, shares, strict=True)
    ]
    changes = {at: relative_difference(sides[0][at], sides[1][at]) for at in sides[1]}
    ratio = expm1(mean([log1p(relative_change(*(s[at] for s in sides))) for at in sides[1]]))
    of_all = [ratio, len(changes), *(relative_change(*(s[at] for s in sides)) for at in changes)]

    def known(part, _row, column):
        at = concurrency_of(column)
        if at is None or part != "b vs a":
            return [*of_all, *leaves(answers), *dies, LEAST_RUNS], part == "Conclusion"
        means = [mean(side[at]) for side in sides if at in side]
        gap = changes.get(at)
        return [*means, *((gap.value, gap.low, gap.high) if gap else ())], True

    check(write("matrices", id=[one.pk for one in made], per=per), known, least=12)


@pytest.mark.parametrize("per", UNITS)
@pytest.mark.parametrize("kind", ["result", "comparison"])
def test_numbers_of_a_unit(write, get, db, kind, per):
    points = [(at, {"output_tokens_per_s": 31.7 * at**0.8} | WATTS) for at in CONCURRENCIES]
    made = []
    for scale in (1, 1.29):
        own = [
            (at, m | {"output_tokens_per_s": scale * m["output_tokens_per_s"]}) for at, m in points
        ]
        job = make_job(kind="benchmark", state="succeeded", host=make_host())
        made.append(make_measured(job=job, points=own, run_context={"dies": [*range(DIES)]}))
    answers = [get("api-result", one.pk) for one in made]

    def known(part, row, column):
        name, at = metric_of(row, column, part), concurrency_of(row, column)
        if not name and (column or row):
            return [*leaves(answers), 1, DIES], False
        name = name or RATE  # of titles and sentences
        places = [at] if at else CONCURRENCIES
        is_rate = name == rate_in(per) or (name == RATE and not column)
        base, unit = (RATE, per) if is_rate else (name, "")
        share = SHARES.get(unit, 1)
        values = [one / share for place in places for one in of_points(answers, base, place)]
        return [*values, 0.29, 0, 1, DIES, LEAST_RUNS, *CONCURRENCIES], bool(unit)

    ids = [f"res-{one.pk}" for one in made]
    check(write(kind, id=ids[0] if kind == "result" else ids, per=per), known, least=3)


def test_numbers_of_several_candidates(write, get):
    base, *others = (make_evaluation([0] * n + [1] * (97 - n)) for n in (0, 48, 16, 4))
    query = {"base": f"res-{base.pk}", "id": ";".join(f"res-{one.pk}" for one in others)}
    answer = get("api-parity-candidates", **query)
    by_name = {one["alone"]["result"]["name"]: one for one in answer["candidates"]}

    def known(_part, row, column):
        for name, one in by_name.items():
            if column and row.startswith(name):
                return [*leaves(one)], True
        return [*leaves(answer)], False

    check(write("parity", **query), known, least=20)
