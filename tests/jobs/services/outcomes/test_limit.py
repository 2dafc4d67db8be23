"""Search of a limit: from its files to a result, its page, exports and report."""

import json
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.models import Result, ResultPoint
from jobs.queries.results.limit import search_of
from jobs.readings import read_outcome
from jobs.services.outcomes import outcomes
from tests.factories import make_deployment, make_job, make_user
from tests.jobs.lib.target import here

pytestmark = pytest.mark.django_db

FILE = json.loads(Path("tests/data/vllm-0.32/bench/serve_random_chat.json").read_text())
PARAMS = {"deployment": "5", "tool": "vllm", "level": "1", "requests": 12}
RULES = {
    **{"tool": "vllm", "by": "rate", "lowest": 1.0, "highest": 4.0, "step": 1.0},
    **{"most_points": 10, "level": "chat", "limits": {"ttft_p99_ms": 450.0}, "goodput": None},
    **{"half_width": 0.0, "most_runs": 5, "requests": 12, "seed": 17000},
}
NAMES = ("mean", "median", "p50", "p90", "p99")
# (load, TTFT p99 in ms, verdict)
SEARCH = [(1, 100.0, "met"), (4, 900.0, "missed"), (2, 200.0, "met"), (3, 460.0, "missed")]


def outputs(runs=SEARCH, stopped="resolution", **rules):
    """The files of a search with these runs, by path."""
    lines = [{"rules": {**RULES, **rules}}]
    files = {}
    for number, (load, ttft, said) in enumerate(runs, start=1):
        lines.append({"run": number, "load": load, "began": 10.0 * number, "verdict": said})
        times = dict.fromkeys((f"{name}_ttft_ms" for name in NAMES), ttft)
        one = {**FILE, **times, "max_concurrency": None, "request_rate": load}
        files[f"result-{number}.json"] = json.dumps(one).encode()
    lines += [{"stopped": stopped}] if stopped else []
    files["search.jsonl"] = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    return files


def read(files, **params):
    kind = KINDS["find-limit"]
    asked = kind.Params(**PARAMS, **params)
    return read_outcome(kind, asked, kind.plan(asked, here()), files)


def kept(files, **params):
    """The result of a job with these files, as the dashboard keeps it."""
    served = make_deployment()
    job = make_job(
        kind="find-limit",
        host=served.host,
        state="running",
        started_at=now(),
        inputs={"deployment": {"id": served.pk}},
        params={**KINDS["find-limit"].Params(**PARAMS, **params).model_dump(mode="json")},
    )
    found = read(files, **params)
    verdict = outcomes.JobVerdict("succeeded", found.message, measured=found.measured)
    ended = {"log_bytes": 0, "log_sha256": "", "duration_s": 50.0}
    outcomes.apply(job, ended, verdict)
    return Result.objects.get(job=job)


def test_a_search_by_rate_has_its_runs_and_no_concurrency():
    result = kept(outputs())

    search = search_of(result)
    assert [one.load for one in search.loads] == [1, 4, 2, 3]
    assert (search.met.load, search.missed.load, search.stopped) == (2, 3, "resolution")
    assert (search.step, search.level.name) == (1.0, "chat")
    assert not ResultPoint.objects.filter(result=result).exists()
    # Of the whole: the highest rate that met the level.
    assert (result.metrics["request_rate"], result.metrics["ttft_p99_ms"]) == (2, 200.0)
    assert (result.metrics["requests_all"], result.what) == (48, "everyday → 64 tok, Poisson")
    assert "concurrency" not in result.metrics
    assert result.tool == "vLLM bench serve 0.32.0"


def test_a_search_by_concurrency_has_a_point_for_each_over_its_runs():
    runs = [(1, 100.0, "met"), (1, 300.0, "met"), (4, 900.0, "missed")]
    result = kept(outputs(runs, by="concurrency", lowest=1, half_width=0.1), vary="concurrency")

    points = {one.concurrency: one.metrics for one in result.points.all()}
    assert {at: own["requests"] for at, own in points.items()} == {1: 24, 4: 12}
    assert (points[1]["ttft_p99_ms"], points[1]["concurrency"]) == (200.0, 1)
    assert len(result.points.get(concurrency=1).requests.rows) == 24
    search = search_of(result)
    assert [len(one.point.runs) for one in search.loads] == [2, 1]
    assert search.met.point.mean("ttft_p99_ms") == 200.0


@pytest.mark.parametrize(
    ("runs", "rules", "message"),
    [
        (SEARCH, {}, Message("search:rate", {"met": 2, "missed": 3})),
        (SEARCH[:1], {}, Message("search:rate_open", {"met": 1})),
        (SEARCH[1:2], {"by": "concurrency"}, Message("search:concurrency_none", {"missed": 4})),
        ([(1, 0.0, "unknown")], {}, Message("search:rate_unknown", {"at": 1})),
        (SEARCH, {"limits": {}}, Message("search:rate_swept", {"low": 1, "high": 4})),
    ],
)
def test_a_job_says_its_limit_in_one_sentence(runs, rules, message):
    assert read(outputs(runs, **rules)).message == message


def test_a_search_without_a_run_or_a_file_of_one_has_no_result():
    files = outputs()

    with pytest.raises(ParseError, match="has no run"):
        read({"search.jsonl": files["search.jsonl"].splitlines(keepends=True)[0]})
    del files["result-2.json"]
    with pytest.raises(ParseError, match=r"result-2\.json is missing"):
        read(files)


@pytest.mark.parametrize(
    ("stopped", "words"),
    [
        ("resolution", "Stopped: the resolution of 1 is reached."),
        ("points", "Stopped after 4 loads, before the resolution of 1."),
        ("", "The search ended early."),
        ("something new", "The search ended early."),
    ],
)
def test_its_page_says_the_limit_and_why_the_search_stopped(client, stopped, words):
    client.force_login(make_user("lin", role="viewer"))
    result = kept(outputs(stopped=stopped))

    text = client.get(reverse("result-detail", args=[result.pk])).content.decode()

    assert "Highest tested load that met chat: 2 req/s. 3 req/s missed." in text
    assert words in text
    assert "Requests arrived at random (Poisson)" in text
    assert "3 req/s: an interval includes its limit, or is unknown. Send more requests." in text
    assert "tok/s output at 2 req/s" in text
    assert text.count('class="stamp bad">missed') == 2


def test_exports_and_reports_have_each_run(client):
    client.force_login(make_user("lin", role="viewer"))
    result = kept(outputs())

    csv = client.get(reverse("result-file", args=[result.pk, "csv"])).content.decode("utf-8-sig")
    report = client.get(
        reverse("report-result"), {"id": f"res-{result.pk}", "format": "md"}
    ).content.decode()
    answer = client.get(reverse("api-result", args=[result.pk])).json()

    assert len(csv.splitlines()) == 5
    assert "request_rate [requests/s]" in csv.splitlines()[0]
    assert "Highest tested load that met chat: 2 req/s." in report
    assert [run["load"] for run in answer["limit"]["runs"]] == [1, 4, 2, 3]
    assert answer["limit"]["search"]["stopped"] == "resolution"
    assert answer["limit"]["text"].startswith("Highest tested load")
