"""Reports for a customer: own words, nothing internal, the method at the end."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from dashboard.reports.comparison import ComparisonAsked
from dashboard.reports.customer import without_hosts
from dashboard.reports.make import KINDS
from jobs.models import AuditEntry, Job, Matrix, Note, ReportWords, Result, SignOff
from jobs.plans import Plan, Step
from tests.comparing import text_of
from tests.factories import make_evaluation, make_host, make_job, make_measured, make_user

pytestmark = pytest.mark.django_db

FORMATS = ("html", "md", "csv")
INTERNAL = {
    "notes": "hidden-note",
    "people": "hidden-ada",
    "paths": "/hidden/folder/",
    "addresses": "10.77.7.7:8000",
}


@pytest.fixture
def measured():
    """Two results of one person, whose commands name a folder and an address."""
    ada = make_user("hidden-ada")
    argv = ("client", "--url", "http://10.77.7.7:8000/v1", "--out", "/hidden/folder/out.json")
    results = []
    for label, rate in (("fp8", 50.0), ("int8", 60.0)):
        plan = Plan("benchmark", (Step("measure", argv),))
        job = make_job(host=make_host(f"va16-{label}"), plan=plan, state="succeeded")
        points = [(1, {"output_tokens_per_s": rate}), (4, {"output_tokens_per_s": 2 * rate})]
        results.append(make_measured(job=job, points=points, label=label, created_by=ada))
    Note.objects.create(result=results[0], text="hidden-note", created_by=ada)
    SignOff.objects.create(result=results[0], purpose="hidden-note", created_by=ada)
    return [f"res-{one.pk}" for one in results]


def asked(kind, names):
    return {"id": names[0]} if kind == "result" else {"id": names}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", ["result", "comparison"])
def test_a_customer_gets_what_is_internal_only_if_it_is_included(write, measured, kind, format):
    def found(**more):
        text = write(kind, format=format, **asked(kind, measured), **more)
        return {part for part, marker in INTERNAL.items() if marker in text}

    assert "…/out.json" in write(kind, format="md", profile="customer", **asked(kind, measured))
    assert found(profile="customer") == set()
    assert found(profile="customer", include=["paths", "addresses"]) == {"paths", "addresses"}
    assert found(profile="customer", include=["notes", "people"]) == {"notes", "people"}
    assert found() == set(INTERNAL)


def test_a_customer_gets_no_number_of_a_job(write):
    remark = [{"id": "result:beside_jobs", "args": {"jobs": "#5, #17"}}]
    result = make_measured(points=[(1, {"output_tokens_per_s": 1.0})], remarks=remark)
    Result.objects.filter(pk=result.pk).update(disturbed=True)

    texts = {
        profile: write("result", format="md", id=f"res-{result.pk}", profile=profile)
        for profile in ("internal", "customer")
    }

    assert "(#5, #17)." in texts["internal"].replace("\\", "")
    assert "other jobs ran on the host." in texts["customer"]
    assert not re.search(r"#\d", texts["customer"])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_customer_gets_no_name_of_a_gateway_key(write, given, kind, format):
    asked = given(kind)
    remark = [{"id": "result:beside_keys", "args": {"keys": "hidden-key (hidden-ada), nightly. b"}}]
    Result.objects.update(disturbed=True, remarks=remark)

    internal = write(kind, format=format, **asked)
    customer = write(kind, format=format, profile="customer", include=["people"], **asked)

    assert "hidden-key (hidden-ada), nightly. b." in internal.replace("\\", "")
    assert "the engine answered requests through the gateway." in customer.replace("\\", "")
    assert [word for word in ("hidden-key", "hidden-ada", "nightly") if word in customer] == []


@pytest.mark.parametrize("kind", [*sorted(KINDS), "candidates"])
def test_no_kind_gives_a_customer_what_is_internal(write, given, made, kind):
    ada = make_user("hidden-ada")
    argv = ("client", "--url", "http://10.77.7.7:8000/v1", "--out", "/hidden/folder/out.json")
    plan = make_job(plan=Plan("benchmark", (Step("measure", argv),))).plan
    Job.objects.update(plan=plan, created_by=ada)
    cancelled = {"message_id": "job:cancelled", "message_args": {"user": "hidden-ada"}}
    Job.objects.filter(state="failed").update(**cancelled, state="cancelled")
    for rows in (Result, Matrix):
        rows.objects.update(created_by=ada)
    for result in Result.objects.all():
        Note.objects.create(result=result, text="hidden-note", created_by=ada)
        SignOff.objects.create(result=result, purpose="hidden-note", created_by=ada)
    asked = given("parity" if kind == "candidates" else kind)
    if kind == "candidates":
        asked = asked | {"id": f"{asked['id']};res-{make_evaluation([0, 1, 1, 1]).pk}"}
        kind = "parity"

    texts = [write(kind, "en", format, profile="customer", **asked) for format in FORMATS]

    assert [one for text in texts for one in INTERNAL.values() if one in text] == []
    assert any(one in write(kind, format="md", **asked) for one in (*INTERNAL.values(), "job #"))


def test_sides_of_a_statement_have_names_in_place_of_numbers(write):
    pair = [make_measured(scores=[1, 0, 1, 1], label=label) for label in ("fp16", "int8")]
    query = {"base": f"res-{pair[0].pk}", "id": f"res-{pair[1].pk}", "format": "md"}

    customer = write("parity", profile="customer", **query)
    typed = write("parity", names=["H800", "VACC"], devices=["8 cards"], **query)

    assert customer.startswith("# int8 vs fp16: ")
    assert typed.startswith("# VACC vs H800: ")
    assert "H800: 8 cards; VACC: host" in typed


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_customer_gets_no_name_of_a_host(write, given, kind, language):
    def has_host(**more):
        text = write(kind, language, **given(kind), **more)
        return "hidden-host" in text or "large-hall" in text

    assert has_host()
    assert not has_host(profile="customer")
    assert has_host(profile="customer", include=["hosts"])


def test_a_host_is_one_system_in_every_report(write, given, made):
    asked = ComparisonAsked(id=["res-1", "res-2"], profile="customer")
    system = without_hosts(asked)(made.matrix.host.name)

    assert system.startswith("System ")
    for kind in ("matrix", "matrices", "comparison"):
        assert system in write(kind, format="md", profile="customer", **given(kind))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("VA16-01 served.", "System A served."),
        ("on va16-01.Office.example:8000", "on System A:8000"),
        ("on va16-01. The next", "on System A. The next"),
        ("to=http%3A%2F%2Fva16-01%2Fv1", "to=http%3A%2F%2FSystem A%2Fv1"),
        (r"{\"of\": \"\nva16-01\"}", r"{\"of\": \"\nSystem A\"}"),
        ("&quot;va16-01&quot;在va16-01上", "&quot;System A&quot;在System A上"),
        ("nova16-01, va16-011", "nova16-01, va16-011"),
    ],
)
def test_a_host_is_found_however_its_name_is_written(text, shown):
    make_host("va16-01", pk=1)
    asked = ComparisonAsked(id=["res-1", "res-2"], profile="customer")

    assert without_hosts(asked)(text) == shown


def test_a_customer_s_report_ends_with_the_method(write, measured):
    text = write("result", format="html", profile="customer", id=measured[0])

    order = [text.index(f"{title}</h2>") for title in ("Conclusion", "Numbers", "Appendix: Method")]
    assert order == sorted(order)
    assert text.count('<section class="appendix"') == 1
    assert text.index('class="appendix"') > text.rindex("<section aria")


@pytest.mark.parametrize("format", FORMATS)
def test_own_words_take_the_place_of_title_and_names(write, measured, format):
    words = {"heading": "FP8 on VACC", "customer": "ACME", "names": ["VACC 8 dies", "H800 × 2"]}
    words["summary"] = "First part.\n\nSecond part."

    text = write("comparison", format=format, profile="customer", id=measured, **words)

    for own in ("FP8 on VACC", "ACME", "VACC 8 dies", "H800 × 2", "First part.", "Second part."):
        assert own in text
    assert f"{measured[1]} (va16" not in text
    if format == "md":
        assert text.startswith("# FP8 on VACC\n")


def test_columns_of_a_customer_are_named_by_what_differs(write, measured):
    text = write("comparison", format="md", profile="customer", id=measured)

    title, _line, _rest = text.partition("\n")
    assert re.match(r"# System [A-Z]+, int8 vs System [A-Z]+, fp8: output tokens/s", title)


WORDS = {"heading": "FP8 on VACC", "customer": "ACME", "names": ["ours", "theirs"]}
WORDS["devices"] = ["VACC 8 dies", "H800"]
TYPED = ("FP8 on VACC", "ours", "theirs", "VACC 8 dies", "H800")


def form_of(client, name, kind, query):
    client.force_login(get_user_model().objects.filter(username=name).first() or make_user(name))
    return client.get(reverse(f"report-{kind}-words"), query).content.decode()


def post(client, measured, **more):
    query = {"id": measured, "language": "en", "format": "md", "profile": "customer"}
    return client.post(reverse("report-comparison-words"), query | WORDS | more)


def test_words_of_a_report_are_the_teams(client, measured):
    client.force_login(make_user("lin"))

    text = post(client, measured).content.decode()

    again = form_of(client, "wei", "comparison", {"id": measured})
    first = form_of(client, "lin", "result", {"id": measured[0]})
    for own in TYPED:
        assert own in text
        assert f'value="{own}"' in again
        assert own not in first
    assert "lin" in text_of(again.partition("Last changed by")[2][:300])
    assert 'value="ACME"' in again and 'value="ACME"' in first
    entry = AuditEntry.objects.get(action="result.report")
    assert (entry.subject, entry.detail["title"]) == (
        f"report compare-{'-'.join(measured)}",
        TYPED[0],
    )


def test_a_viewer_gets_a_report_and_keeps_no_words(client, measured):
    client.force_login(make_user("vi", role="viewer"))

    assert "FP8 on VACC" in post(client, measured).content.decode()

    assert not ReportWords.objects.exists()


def test_typed_words_may_be_a_path_or_an_address(client, measured):
    client.force_login(make_user("lin"))
    words = {"heading": "/data/r1 on 10.1.1.1", "names": ["10.2.2.2", "/opt/vllm/fp8"]}

    text = post(client, measured, **words).content.decode().replace("\\", "")

    assert all(word in text for word in (words["heading"], *words["names"]))
    assert "10.77.7.7" not in text and "/hidden/" not in text


def test_the_form_of_a_report_hands_its_records_on(client, measured):
    client.force_login(make_user("lin"))

    html = client.get(reverse("report-comparison-words"), {"id": measured}).content.decode()

    for name in measured:
        assert f'<input type="hidden" name="id" value="{name}">' in html
    assert "Name of va16-fp8, fp8" in text_of(html)
