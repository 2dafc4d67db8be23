"""Page of a greedy probe: verdict, both answers, filter, CSV."""

import json

import pytest
from django.urls import reverse

from jobs.confined import Busy, Pool
from jobs.models import OutputFile
from jobs.services.outputs import output_path
from tests.comparing import rows_of
from tests.factories import make_deployment, make_endpoint, make_job

PATH = "probe.jsonl"


def tokens(*words, logprob=-0.5):
    return [[word, logprob] for word in words]


def row(first, second, *, index=0, again=None, **more):
    """A line: both answers as words."""

    def side(words, logprob):
        return {"text": "".join(words), "finish": "stop", "tokens": tokens(*words, logprob=logprob)}

    made = {"index": index, "prompt": f"prompt {index}"}
    made |= {"deployment": side(first, -0.5), "reference": side(second, -0.75)}
    return made | ({"again": again} if again else {}) | more


EQUAL = row(("a", " b"), ("a", " b"), again={"deployment": True, "reference": True})
OTHER = row(("The", " cat"), ("The", " <b>dog"), index=1)
OTHER["deployment"]["candidates"] = [[" cat", -0.5], [" <b>dog", -0.75]]
FAILED = {
    "index": 2,
    "prompt": "p",
    "deployment": {"text": "a"},
    "reference": {"error": "HTTP 503"},
}


def keep(job, *rows, content=None):
    """Store the output of a probe."""
    text = "".join(json.dumps(one) + "\n" for one in rows) if content is None else content
    data = text.encode()
    path = output_path(job.pk, PATH)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    size = {"bytes": len(data), "received_bytes": len(data), "sha256": "0" * 64}
    OutputFile.objects.create(job=job, name="probe", path=PATH, **size)


@pytest.fixture
def job():
    served, other = make_deployment(name="small-int8"), make_endpoint(name="H800")
    return make_job(
        kind="greedy-probe",
        state="succeeded",
        inputs={"deployment": {"id": served.pk}, "reference": {"endpoint": other.pk}},
    )


@pytest.fixture
def page(member):
    def get(job, **query):
        answer = member.get(reverse("job-probe", args=[job.pk]), query)
        assert answer.status_code == 200
        return answer.text

    return get


def test_the_verdict_comes_in_words_and_numbers(member, page, job):
    keep(job, EQUAL, OTHER)
    own = member.get(reverse("job-detail", args=[job.pk])).text

    for words in (
        *("1 of 2 answers are equal: 50.00 % [9.45, 90.55].", "small-int8", "H800"),
        "the deployment repeated itself in 1 of 1 prompts, the reference in 1 of 1",
        '<dt>First different token, median</dt><dd class="num">2</dd>',
        '<dt>Log-probability gap, p90</dt><dd class="num">0.250</dd>',
        reverse("job-probe", args=[job.pk]),
    ):
        assert words in own
    assert "and differ from each other in 1 answer." in page(job)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([OTHER], "No prompt was sent twice"),
        ([{**OTHER, "again": {"deployment": False}}], "say nothing about the stacks"),
        ([EQUAL], "No difference found. This is a smoke test"),
        ([FAILED], "No prompt has answers of both engines."),
        ([row(("a",), ("b",)) | {"deployment": {"text": "a"}}], "Compared by text"),
    ],
)
def test_what_the_counts_mean_is_said(page, job, rows, words):
    keep(job, *rows)

    assert words in page(job)


def test_both_answers_are_marked_and_escaped(page, job):
    keep(job, OTHER)
    text = page(job)

    assert "The <mark>cat</mark>" in text
    assert "The <mark>&lt;b&gt;dog</mark>" in text
    assert "from token 2" in text
    assert "Preferred to “ &lt;b&gt;dog” by 0.250." in text


def test_the_filter_shows_different_answers_only(page, job):
    keep(job, EQUAL, OTHER, FAILED)

    assert 'id="p1"' in page(job)
    text = page(job, show="different")
    assert 'id="p2"' in text
    assert 'id="p1"' not in text
    assert 'id="p3"' not in text
    assert "HTTP 503" in page(job, show="failed")
    assert 'id="p1"' in page(job, show="<other>")


def test_many_prompts_are_on_several_pages(page, job):
    keep(job, *(row(("a",), ("a",), index=index) for index in range(60)))

    assert 'id="p50"' in page(job)
    assert 'id="p51"' not in page(job)
    assert 'id="p51"' in page(job, after="50")
    assert "No matching prompts." in page(job, after="9" * 18)


def test_the_csv_has_a_line_a_prompt(member, job):
    keep(job, EQUAL, OTHER, FAILED)
    answer = member.get(reverse("job-probe", args=[job.pk]), {"format": "csv"})
    lines = rows_of(answer)

    assert [line["state"] for line in lines] == ["equal", "different", "failed"]
    assert lines[1]["first_different_token"] == "2"
    assert (lines[0]["deployment_repeats"], lines[1]["deployment_repeats"]) == ("1", "")
    assert lines[1]["deployment_margin"] == "0.25"


@pytest.mark.parametrize("content", ["", "[]\n", "\0\n", '{"index": 0}\n', "[" * 9999 + "\n"])
def test_a_strange_output_never_breaks_the_page(client, page, job, content):
    keep(job, content=content)

    page(job)
    assert client.get(reverse("job-detail", args=[job.pk])).status_code == 200


def test_without_an_output_the_page_says_so_and_other_jobs_have_none(client, page, job):
    assert "This job has no readable answers." in page(job)
    address = reverse("job-probe", args=[job.pk])
    assert client.get(address, {"format": "csv"}).status_code == 404
    other = make_job(kind="evaluate")
    assert client.get(reverse("job-probe", args=[other.pk])).status_code == 404


def test_a_busy_reader_is_named_alone(client, page, job, monkeypatch):
    keep(job, OTHER)
    monkeypatch.setattr(Pool, "run", lambda *_args: (_ for _ in ()).throw(Busy("all at work")))

    assert "Other files are being read." in page(job)
    assert "No matching prompts." not in page(job)
    csv_of = client.get(reverse("job-probe", args=[job.pk]), {"format": "csv"})
    assert (csv_of.status_code, "<h1>Answers not read</h1>" in csv_of.text) == (503, True)
