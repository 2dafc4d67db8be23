"""Lists narrowed by text: what is found, in which case, and by what."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.queries import text_search
from jobs.queries.jobs import jobs
from jobs.queries.results import listing
from tests.dashboard.lib.query_plan import explained
from tests.factories import make_host, make_job, make_result, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def jobs_with(text):
    return list(jobs.matching(jobs.JobFilters(text=text)))


def results_with(text):
    return list(listing.matching(listing.ResultFilters(words=listing.Words(text))))


def test_a_job_is_found_by_its_title_kind_host_person_and_number_in_any_case():
    job = make_job(
        title="Qwen 7B, INT8", kind="compile", host=make_host("rack-a"), created_by=make_user("lin")
    )
    make_job(title="another", kind="evaluate")

    for text in ("qwen", "QWEN int8", "compile", "Rack-A", "LIN", f"#{job.pk}", "lin rack 7b"):
        assert jobs_with(text) == [job], text
    assert jobs_with("qwen nothing") == []


def test_a_result_is_found_by_its_words_its_host_and_its_numbers():
    result = make_result(model_id="distill-7b", label="Q8_0", what="48 prompts", tool="evalscope 1")
    make_result(model_id="another", label="", what="", tool="")

    own = ("DISTILL", "q8_0", "prompts", "EvalScope", f"res-{result.pk}", f"#{result.job_id}")
    for text in (*own, result.host.name, "evalscope 48"):
        assert results_with(text) == [result], text


def test_a_new_name_of_a_host_is_found_at_once():
    result = make_result()
    result.host.name = "renamed"
    result.host.save()

    assert results_with("renamed") == [result]
    assert jobs_with("renamed") == [result.job]


def test_signs_of_a_pattern_are_plain_text():
    plain, percent = make_job(title="100 tokens"), make_job(title=r"100% of a\b")

    assert jobs_with("%") == jobs_with("a\\b") == [percent]
    assert jobs_with("_") == []
    assert jobs_with("100") == [percent, plain]


def test_more_matches_than_are_asked_for_by_number_are_all_found(monkeypatch):
    monkeypatch.setattr(text_search, "FEW", 2)
    made = [make_result(what="a word") for _ in range(3)]
    make_result(what="another")

    assert results_with("word") == made[::-1]
    assert jobs_with(made[0].host.name)[-1] == made[0].job


def test_a_search_walks_the_index_that_holds_its_words(subtests):
    make_result()
    for index, find in (("job_by_text", jobs_with), ("result_by_text", results_with)):
        with subtests.test(index), CaptureQueriesContext(connection) as asked:
            find("nothing")
            limit = f"LIMIT {text_search.FEW + 1}"
            scan = next(query["sql"] for query in asked if limit in query["sql"])
            plan = explained(scan)
            assert not plan or index in plan
