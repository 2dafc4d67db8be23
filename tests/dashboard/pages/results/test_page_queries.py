"""Pages of results ask the database as often for many results as for few."""

from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.actions.results import set_baseline
from jobs.models import Result, Tag
from tests.comparing import OTHER
from tests.factories import make_deployment, make_evaluation
from tests.measuring import measured, served

PAGES = {
    "list": "/results/",
    "evaluations": "/results/?type=evaluation",
    "tag": "/results/?tag=week",
    "identities": "/results/?group=identity",
    "fleet": "/results/fleet/",
    "history": "/results/res-{first}/history/",
    "point": "/results/res-{first}/points/1/",
    "result": "/results/res-{first}/",
}


def fill(host, user, first, count):
    """Runs of ``count`` identities and as many evaluations; ``first`` 0: the last is baseline."""
    for number in range(first, first + count):
        deployment = served(host, (*OTHER, "--n", str(number)), stack="guide", tp=8)
        for rate in (100.0, 101.0):
            speed = measured(deployment, points=((1, rate),))
        fields = {"deployment": make_deployment(host=host), "stack": "guide"}
        asked = {"questions": "x"}
        quality = make_evaluation([1.0, 0.0, 1.0], host=host, params=asked, **fields)
        for result in (speed, quality):
            Tag.objects.create(result=result, name="week", created_by=user)
            if not first:
                set_baseline(user, result)


def asked(client, address):
    caches["process"].clear()
    client.get(address)  # what a process learns once
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_more_results_take_no_more_queries(client, lin, host):
    fill(host, lin, 0, 2)
    fill(host, lin, 2, 2)  # without a baseline
    first = Result.objects.order_by("pk")[0]
    pages = {name: address.format(first=first.pk) for name, address in PAGES.items()}
    few = {name: asked(client, address) for name, address in pages.items()}
    fill(host, lin, 4, 4)
    many = {name: asked(client, address) for name, address in pages.items()}

    assert {name: (few[name], count) for name, count in many.items() if count > few[name]} == {}


def test_more_columns_take_no_more_queries(member, host):
    columns = {"id": [], "group": []}
    for number in range(8):
        deployment = served(host, (*OTHER, "--n", str(number)), stack="guide", tp=8)
        pair = [measured(deployment, points=((1, rate),)) for rate in (100.0, 101.0)]
        set_baseline(None, pair[0])
        columns["id"].append(f"id=res-{pair[0].pk}")
        columns["group"].append(f"group={','.join(f'res-{run.pk}' for run in pair)}")

    for those in columns.values():
        few, many = (
            asked(member, f"/results/compare/?{'&'.join(those[:count])}") for count in (3, 8)
        )
        assert many <= few, those


def test_a_comparison_reads_the_answers_of_its_baseline_only(client, lin, host):
    fill(host, lin, 0, 8)
    evaluations = Result.objects.filter(type="evaluation").order_by("pk")

    for count in (3, 8):  # two have a statement, which reads both
        query = "&".join(f"id=res-{result.pk}" for result in evaluations[:count])
        with CaptureQueriesContext(connection) as captured:
            client.get(f"/results/compare/?{query}")

        read = [one["sql"] for one in captured if '"jobs_answerrow"."content"' in one["sql"]]
        assert len(read) == 1, "\n".join(one[:60] + " … " + one[-230:] for one in read)
        assert not [one for one in captured if 'FROM "jobs_answer"' in one["sql"]]  # long texts


def test_a_page_reads_a_table_no_more_often_than_it_must(member, lin, host):
    fill(host, lin, 0, 3)
    reads = (
        ("/results/?type=evaluation", "jobs_answer", 0),
        ("/results/?days=30", '"is_quiet"', 1),  # counts
        # Concurrencies, also of baselines; then the compared points.
        ("/results/", 'FROM "jobs_resultpoint"', 3),
        ("/results/", 'FROM "jobs_tag"', 2),  # facet and suggestions; of the shown results
        ("/jobs/", 'FROM "jobs_host"', 1),  # rows, filter and frame
        # Of the runs that a verdict compares.
        ("/results/fleet/", '"jobs_resultpoint"."metrics" AS', 1),
    )

    found = []
    for address, text, _times in reads:
        with CaptureQueriesContext(connection) as captured:
            member.get(address)
        found.append((address, text, sum(text in one["sql"] for one in captured)))

    assert found == list(reads)
