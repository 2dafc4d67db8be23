"""``vacc parity`` and ``vacc report``: their options are the parameters of the API."""

import json

import pytest
import requests
from click.testing import CliRunner

from jobs.base.numbers import result_pk
from jobs.models import Answer, AnswerRow, Matrix
from tests.factories import make_cell, make_evaluation, make_host, make_job, make_measured
from tests.measuring import SERVE, make_measuring_host, measured, served
from vacc_client import cli

pytestmark = pytest.mark.django_db

COUNTS = ("--base-counts", "154/159,933/976", "--counts", "155/159,929/976")


@pytest.fixture
def vacc(api, monkeypatch, tmp_path):
    """Run a command of the client, whose requests reach the API in this process."""

    def answer(session, method, url, *, params, data, headers, **_more):
        asked = requests.Request(method, url, params=params).prepare()
        found = api.client.generic(
            *(method, asked.path_url, data or b"", headers.get("Content-Type", "")),
            headers=api.headers,
        )
        shown = requests.Response()
        shown.status_code, shown._content, shown.url = found.status_code, found.content, url
        return shown

    monkeypatch.setattr(requests.Session, "request", answer)
    monkeypatch.setenv("VACC_URL", "http://dashboard")
    monkeypatch.setenv("VACC_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        done = CliRunner().invoke(cli.vacc, [str(one) for one in arguments])
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return run


@pytest.fixture
def report(vacc, tmp_path):
    def write(*arguments):
        code, text = vacc("report", *arguments, "-o", "r")
        assert (code, text) == (0, "r\n")
        return (tmp_path / "r").read_text("utf-8")

    return write


def evaluation(*scores):
    return f"res-{make_evaluation(scores).pk}"


def test_counts_have_a_verdict(vacc):
    code, text = vacc("parity", *COUNTS, "--sets", "dev,test", "--gate")

    assert code == 4
    assert text.startswith("Cannot tell within 1 point\n")
    assert "dev 96.86 97.48 +0.63 [-3.55, +4.92] cannot_tell" in " ".join(text.split())
    assert "pooled 95.77 95.51 -0.26 [-1.97, +1.44] cannot_tell" in " ".join(text.split())
    assert "warning: Do not quote the plain mean of the sets" in " ".join(text.split())


@pytest.mark.parametrize(
    ("base", "result", "goal", "code"),
    [
        ("900/1000", "990/1000", "same", 0),
        ("9000/10000", "9000/10000", "at_least", 0),
        ("990/1000", "900/1000", "at_least", 3),
        ("90/100", "90/100", "same", 4),
    ],
)
def test_a_gate_of_counts_takes_margin_and_goal(vacc, base, result, goal, code):
    asked = ("--margin", "2", "--goal", goal, "--gate")

    assert vacc("parity", "--base-counts", base, "--counts", result, *asked)[0] == code


def test_two_results_have_a_verdict_as_json(vacc):
    base, other = evaluation(1, 1, 0, 0), evaluation(1, 0, 1, 1)

    code, text = vacc("parity", other, "--base", base, "--margin", "2", "--json")

    found = json.loads(text)
    assert (code, found["margin_points"]) == (0, 2)
    assert (found["pooled"]["regressed"], found["pooled"]["fixed"]) == (1, 2)


def test_several_results_are_corrected_for_their_number(vacc):
    base, *others = (evaluation(*[0] * n, *[1] * (24 - n)) for n in (0, 12, 5, 4))

    code, text = vacc("parity", *others, "--base", base, "--gate")

    assert code == 3
    assert ": 2 cannot tell, 1 worse" in text.splitlines()[0]
    assert sum(line.startswith(tuple(others)) for line in text.splitlines()) == 3


@pytest.mark.parametrize(("named", "code"), [(("like", "again"), 3), (("like", "other"), 4)])
def test_the_exit_code_of_several_results_is_that_of_the_worst(api, vacc, named, code):
    base, other = evaluation(1, 0), evaluation(1, 1)
    for rows in (AnswerRow, Answer):
        rows.objects.filter(result=result_pk(other)).update(subset="another")
    results = {"like": evaluation(0, 1), "again": evaluation(0, 1), "other": other}
    ids = ";".join(results[name] for name in named)

    assert api.get("parity/candidates", base=base, id=ids).json()["exit_code"] == code
    asked = [results[name] for name in named]
    answer, text = vacc("parity", *asked, "--base", base, "--gate")
    assert answer == 4
    assert ("not_comparable" in text) == (code == 4)


@pytest.mark.parametrize(
    "arguments",
    [
        ("parity",),
        ("parity", "res-1"),
        ("parity", "--counts", "1/2"),
        ("parity", "res-1", "--base", "res-2", *COUNTS),
        ("report", "-o", "r"),
        ("report", "res-1", "--matrix", "1", "-o", "r"),
        ("report", "--counts", "1/2", "--matrix", "1", "-o", "r"),
    ],
)
def test_what_is_named_twice_or_not_at_all_is_bad_usage(vacc, arguments):
    code, text = vacc(*arguments)

    assert code == 2
    assert "Name " in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("parity", *COUNTS, "--margin", "x"), "margin: Enter a margin from 0.01 to 50 points."),
        (("report", "res-1", "--metric", "x", "-o", "r"), "metric: "),
    ],
)
def test_a_refusal_names_the_option(vacc, arguments, problem):
    with pytest.raises(cli.ClientError, match=problem):
        vacc(*arguments)


def test_results_are_reports(report):
    host = make_measuring_host()
    sides = (served(host), served(host, (*SERVE, "--flash-attention")))
    base, one, other = (f"res-{measured(side).pk}" for side in (sides[0], *sides[1:] * 2))
    words = ("--profile", "customer", "--customer", "ACME", "--names", "A", "--names", "B")

    assert "## 结论" in report(base, "--format", "md", "--language", "zh")
    compared = report(base, one, "--format", "md", *words)
    assert compared.startswith("# B vs A: ")
    assert "| Customer | ACME |" in compared
    assert f"{one} × 2" in report(base, f"{one},{other}", "--format", "md")


def test_statements_are_reports(report):
    base, *others = (evaluation(*[1] * n, *[0] * (24 - n)) for n in (24, 12, 20))

    assert "2 worse" in report(*others, "--base", base, "--format", "md").partition("\n")[0]
    one = report(others[0], "--base", base, "--margin", "3", "--format", "md")
    assert "worse by 50.00 points" in one.partition("\n")[0]
    assert "154 / 159" in report(*COUNTS, "--sets", "dev,test", "--format", "md")


def test_matrices_are_reports(report):
    host = make_host()
    of = {"kind": "benchmark-online", "host": host, "spec": {}}
    made = [Matrix.objects.create(title=name, **of) for name in ("a", "b")]
    for matrix in made:
        job = make_job(host=host, state="succeeded")
        make_measured(job=job, points=[(1, {"output_tokens_per_s": 5.0})])
        make_cell(matrix, 0, job)

    assert "Matrix report" in report("--matrix", made[0].pk, "--format", "md")
    both = report("--matrix", made[0].pk, "--matrix", made[1].pk, "--per", "server")
    assert "per server" in both
