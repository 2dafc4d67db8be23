"""Rows of lists are drawn once: none is shown after a change, or to a person with other rights."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import User
from django.template import Context, Template
from django.utils import timezone, translation

from dashboard.pages.shared.columns import JOBS, RESULTS
from dashboard.pages.shared.groups import JobRow
from dashboard.pages.shared.marks import NO_MARKS, Marks
from dashboard.templatetags import rows
from jobs.kinds import KINDS
from jobs.kinds.benchmark import Offline
from jobs.models import Endpoint, Host, Job, Result
from jobs.queries.results.listing import ListedResults, Organised

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=400)
DIES = {"dies": ["0", "1"]}
OFFLINE = next(name for name, kind in KINDS.items() if isinstance(kind, Offline))


@pytest.fixture(autouse=True)
def nothing_drawn(monkeypatch):
    rows._drawn.clear()
    monkeypatch.setattr(timezone, "now", lambda: NOON)


@pytest.fixture
def job():
    return Job(
        **{"pk": 17, "kind": "compile", "title": "R1", "state": "failed", "values": {"dies": "0"}},
        **{"message_id": "job:cancelled", "message_args": {"user": "lin"}, "duration_s": 9.0},
        **dict.fromkeys(("created_at", "started_at", "finished_at"), NOON),
        host=Host(name="va16", facts=DIES, heartbeat_at=datetime.now(UTC)),
        created_by=User(pk=1, username="lin"),
    )


@pytest.fixture
def result(job):
    return Result(
        **{"pk": 5, "type": "benchmark", "model_id": "r1", "label": "int8", "what": "50 prompts"},
        **{"tool": "evalscope", "metrics": {"output_tokens_per_s": 61.9}, "created_at": NOON},
        **{"host": job.host, "created_by": job.created_by, "job": job, "stack": "vacc"},
        parallelism="tp 8",
    )


def job_row(job, *, columns=JOBS, in_group=False):
    context = {"root": "/", "row": JobRow(job), "shows": {column.name: True for column in columns}}
    source = "{% load rows %}{% job_row row in_group=in_group %}"
    return Template(source).render(Context({**context, "in_group": in_group}))


def result_row(result, *, may=(), pinned=(), marks=NO_MARKS, columns=RESULTS):
    page = ListedResults([result], "", 1, frozenset(pinned), frozenset())
    context = {"page": page, "result": result, "columns": columns, "marks": {result.pk: marks}}
    rights = {"may_pin": "pin" in may, "may_unpin": {17} if "unpin" in may else set()}
    return Template("{% load rows %}{% result_row result %}").render(Context(context | rights))


def is_followed(draw, change):
    """Return True if the row differs after ``change`` and is the one that is drawn anew."""
    before = draw()
    assert draw() == before
    change()
    after = draw()
    rows._drawn.clear()
    return after != before and after == draw()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(
            ("pk", 18),
            ("kind", "deploy"),
            ("title", "V3"),
            ("state", "lost"),
            ("chain", UUID(int=1)),
        ),
        *(("pinned_at", NOON), ("message_id", "job:succeeded"), ("message_args", {"user": "wang"})),
        *((name, LATER) for name in ("created_at", "started_at", "finished_at")),
        *(("chain", UUID(int=1)), ("duration_s", 10.0), ("values", {"dies": "1"}), ("values", {})),
        *(("created_by", None), ("created_by.username", "wang")),
        *(("host.name", "va17"), ("host.type", "simulated")),
        *(("host.facts", {"dies": ["0"]}), ("host.dies_seen", ["2"]), ("host.heartbeat_at", None)),
    ],
)
def test_the_row_of_an_ended_job_follows_each_change(job, path, value):
    *owner, name = path.split(".")
    thing = getattr(job, owner[0]) if owner else job

    assert is_followed(lambda: job_row(job), lambda: setattr(thing, name, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("pk", 6), ("type", "evaluation"), ("model_id", "v3"), ("label", "fp16"), ("what", "9")),
        *(("tool", "vllm"), ("stack", "vllm"), ("parallelism", ""), ("created_at", LATER)),
        *(("metrics", {"output_tokens_per_s": 62.0}), ("incomplete", True), ("simulated", True)),
        *(("host.name", "va17"), ("created_by.username", "wang"), ("created_by", None)),
        *(("endpoint", Endpoint(pk=1, name="h800")), ("job.kind", OFFLINE)),
    ],
)
def test_the_row_of_a_result_follows_each_change(result, path, value):
    *owner, name = path.split(".")
    thing = getattr(result, owner[0]) if owner else result

    assert is_followed(lambda: result_row(result), lambda: setattr(thing, name, value))


def test_a_row_is_drawn_for_what_a_person_may_do_and_for_what_others_added(result):
    tagged = Marks(Organised(tags=["week-3"]), None)
    asked = [
        *({}, {"may": ["pin"]}, {"pinned": [17]}, {"pinned": [17], "may": ["unpin"]}),
        *({"marks": tagged}, {"columns": RESULTS[:4]}),
    ]

    drawn = [result_row(result, **each) for each in asked]

    assert len(set(drawn)) == len(asked)
    assert [result_row(result, **each) for each in asked] == drawn


def test_the_row_of_a_job_is_drawn_for_its_columns_and_its_place(job):
    asked = [{}, {"columns": JOBS[:4]}, {"in_group": True}]

    drawn = [job_row(job, **each) for each in asked]

    assert len(set(drawn)) == len(asked)
    assert [job_row(job, **each) for each in asked] == drawn


@pytest.mark.parametrize("draw", [job_row, result_row])
def test_a_row_is_drawn_a_language_a_time_zone_and_a_day(request, monkeypatch, draw):
    thing = request.getfixturevalue("job" if draw is job_row else "result")
    here = draw(thing)

    with translation.override("zh-hans"):
        chinese = draw(thing)
    with timezone.override(ZoneInfo("Asia/Shanghai")):
        elsewhere = draw(thing)
    monkeypatch.setattr(timezone, "now", lambda: NOON + timedelta(days=1))

    assert len({here, chinese, elsewhere, draw(thing)}) == 4


def test_open_jobs_are_drawn_anew_and_few_rows_are_remembered(job, monkeypatch):
    monkeypatch.setattr(rows, "_MOST", 2)
    for number in range(5):
        job.pk = number
        job_row(job)
    remembered = len(rows._drawn)
    rows._drawn.clear()
    job.state = "starting"
    job_row(job)

    assert remembered <= 2
    assert not rows._drawn
