"""Identity, provenance and repeats of a result: on its page, in the API, in exports."""

import re

import pytest
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.shared.words import part_text, part_title
from jobs.host_protocol import BadMessage
from jobs.models import Job, Preflight, Result
from jobs.plans import Plan, Step
from jobs.services.intake import heartbeats
from tests.comparing import rows_of, text_of
from tests.factories import heartbeat_body, make_job, make_measured
from tests.measuring import SERVE, make_measuring_host, measured, served


@pytest.fixture
def host():
    return make_measuring_host("va16")


@pytest.fixture
def get(member):
    return member.get


def panel(get, result, name):
    html = get(reverse("result-detail", args=[result.pk])).text
    start = html.index(f'id="{name}"')
    return text_of(html[start : html.index("</section>", start)])


def beat(host, **load):
    heartbeats.heartbeat(host, heartbeat_body(now=now().timestamp(), load=load))


def test_api_and_page_have_identity_repeats_provenance(get, host):
    deployment = served(host)
    one, other, disturbed = (measured(deployment) for _ in range(3))
    Result.objects.filter(pk=disturbed.pk).update(disturbed=True)

    data = get(reverse("api-result", args=[one.pk])).json()

    assert data["identity"]["fingerprint"] == one.fingerprint
    assert data["identity"]["parts"]["workload"]["requests"] == 50
    assert data["identity"]["unknown"] == []
    assert data["repeats"] == [f"res-{other.pk}"]
    assert data["disturbed_repeats"] == [f"res-{disturbed.pk}"]
    assert data["provenance"]["weights_sha256"] == "b" * 64
    assert data["provenance"]["missing"] == ["host_load"]
    text = panel(get, one, "identity")
    for part in ("Requests 50", "--ctx 4096", "Host va16", "Environment llama pins of llama"):
        assert part in text


def test_identity_and_provenance_are_translated(get, client, host):
    deployment = served(host, max_input=1024, max_total=2048)
    result = measured(deployment, datasets=["mmlu", "cluewsc"])
    client.cookies["django_language"] = "zh-hans"

    text = panel(get, result, "identity")

    for part in (
        *("环境llama pins of llama", "最大输入长度 1024", "最大上下文 2048", "mmlu，cluewsc"),
        "工具版本 环境evalscope pins of evalscop",
    ):
        assert part in text


def test_the_engine_of_a_provenance_is_the_server_with_its_version_if_known(get, host):
    argv = ("llmdeploy", "api", "/serve/llmdeploy.yaml")
    result = measured(served(host, argv))

    text = panel(get, result, "identity")
    missing = get(reverse("api-result", args=[result.pk])).json()["provenance"]["missing"]

    assert "Tool version environment evalscope pins of evalscop" in text
    assert "Engine environment" not in text
    assert "Program llmdeploy unknown" in text
    assert missing == ["host_load", "program llmdeploy"]
    host.facts = {**host.facts, "tools": [{"name": "llmdeploy", "version": "1.6.0"}]}
    host.save()
    known = measured(served(host, argv))
    assert known.identity["unknown"] == []
    assert "llmdeploy 1.6.0" in panel(get, known, "identity")


def test_one_of_several_parts_says_which():
    assert part_title("program llmdeploy") == "Program llmdeploy"
    assert (part_text("dataset", ""), part_text("prefix", "")) == ("tool default", "none")
    assert part_title("image 2") == "Image 2"
    assert part_text("datasets", "[not a list") == "[not a list"


def test_an_ungrouped_result_names_its_unknown_part(get, host):
    deployment = served(host, ("docker", "run", "registry/vllm:25", "serve"))

    assert "Cannot be grouped. Unknown: Image." in panel(get, measured(deployment), "repeats")


def facts_of(html):
    """All numbers above the commands."""
    return html[html.index('id="conclusion"') : html.index('id="reproduce"')]


def test_the_mean_of_repeats_is_separate_and_has_an_interval_from_three_runs_on(get, host):
    deployment = served(host)

    def shown(rate):
        last = measured(deployment, points=((1, rate),))
        return text_of(facts_of(get(reverse("result-detail", args=[last.pk])).text))

    shown(50.0)
    two, three = shown(58.0), shown(51.0)

    assert "Output throughput 54.0 tok/s at concurrency 1, mean of 2 runs" in two
    assert "[" not in two
    assert "This run alone 51.0 tok/s" in three
    assert "53.0 tok/s [43.2, 65.0] at concurrency 1, mean of 3 runs" in three


def test_the_load_of_the_host_is_summed_up_while_a_job_runs(host):
    running, ended = make_job(host=host, state="running"), make_job(host=host, state="succeeded")
    for load in ({"load_1m": 10**19}, {"dies": {"0": {"power_w": 1.7e308}}}):
        with pytest.raises(BadMessage):  # no host can have it
            beat(host, **load)
    dies = {"0": {"power_w": 20.0, "temp_c": 61.0}, "1": {"power_w": 22.0, "temp_c": 65.0}}
    beat(host, load_1m=1.0, memory_free_bytes=9 * 10**9, dies=dies)
    beat(host, load_1m=4.0, memory_free_bytes=5 * 10**9, dies={"0": {"power_w": None}})

    running.refresh_from_db()
    assert running.host_load["load_1m"] == {"n": 2, "sum": 5.0, "min": 1.0, "max": 4.0}
    assert running.host_load["memory_free_bytes"]["min"] == 5e9
    assert running.host_load["power_w"] == {"n": 1, "sum": 42.0, "min": 42.0, "max": 42.0}
    assert running.host_load["temp_c"]["max"] == 65.0
    assert Job.objects.get(pk=ended.pk).host_load == {}


def test_provenance_says_what_the_host_had_and_did(get, host):
    argv = ("docker", "run", "-d", "registry/vllm:25", "vllm", "serve")
    deployment = served(host, argv)
    plan = Plan("deploy", (Step("serve", argv, serves=True),), dies=2)
    Job.objects.filter(pk=deployment.job_id).update(plan=plan.to_json(), values={"dies": "3,11"})
    finding = {"name": "image", "level": "ok", "message_id": "check:image"}
    args = {"image": "registry/vllm:25", "id": "sha256:77"}
    Preflight.objects.create(
        host=host,
        job=deployment.job,
        plan={},
        findings=[{**finding, "message_args": args}],
        done_at=now(),
    )
    host.facts = {**host.facts, "driver": "V3.3"}
    host.save()

    text = panel(get, measured(deployment), "identity")

    for part in (
        *("Driver V3.3", "Dies 2: 3, 11", "Image ID sha256:77", "Also running no other work"),
        "Firmware not recorded",
    ):
        assert part in text


def test_the_list_is_exported_by_point_with_context(get, host):
    deployment = served(host)
    more = {"requests": 12, "accuracy": 0.5}
    result = measured(deployment, points=((1, 50.0), (4, 90.0)), output_tokens=512, more=more)
    Result.objects.update(disturbed=True, remarks=[{"id": "result:beside_jobs", "args": {}}])

    rows = rows_of(get(f"{reverse('result-list')}?format=csv"))

    assert [(row["concurrency"], row["output_tokens_per_s [tokens/s]"]) for row in rows] == [
        ("1", "50.0"),
        ("4", "90.0"),
    ]
    assert rows[0]["requests [requests]"] == "12"
    assert rows[0]["accuracy [share]"] == "0.5"
    about = ("host", "deployment", "model", "precision", "asked_output_tokens", "identity")
    wanted = ["va16", deployment.name, "smollm2-135m-instruct", "Q8_0 from Q4_1", "512"]
    assert [rows[0][name] for name in about] == [*wanted, result.fingerprint]
    assert (rows[0]["disturbed"], rows[0]["flags"]) == ("True", "result:beside_jobs")


def test_the_csv_of_a_result_says_what_it_is_of(get, host):
    for one in (measured(served(host, SERVE)), make_measured(scores=[1, 0])):
        answer = get(reverse("result-file", args=[one.pk, "csv"]))
        assert one.pk != one.job_id
        assert answer["Content-Disposition"] == f'attachment; filename="res-{one.pk}.csv"'
        rows = rows_of(answer)
        assert (rows[0]["model"], rows[0]["host"]) == ("smollm2-135m-instruct", one.host.name)
        assert rows[0]["precision"] == "Q8_0 from Q4_1"


def test_a_result_is_first_compared_with_an_undisturbed_one(get, host):
    deployment = served(host)
    one, quiet, disturbed = (measured(deployment) for _ in range(3))
    address = reverse("result-detail", args=[one.pk])

    Result.objects.filter(pk=disturbed.pk).update(disturbed=True)
    assert f"Compare with res-{quiet.pk}" in get(address).text

    Result.objects.filter(pk=quiet.pk).update(disturbed=True)
    assert f"Compare with res-{disturbed.pk}" in get(address).text


@pytest.mark.parametrize(
    "facts", [{"cpu": "Kunpeng"}, {"cpu": [1]}, {"tools": "x"}, {"tools": ["x", {"name": "make"}]}]
)
def test_odd_facts_of_a_host_lose_no_number(get, host, facts):
    host.facts = {**host.facts, **facts}
    host.save()

    result = measured(served(host))

    for name in ("result-detail", "api-result"):
        assert get(reverse(name, args=[result.pk])).status_code == 200


def test_repeats_stand_at_the_concurrencies_that_they_share(get, host):
    deployment = served(host)
    own = measured(deployment, points=((1, 50.0), (4, 90.0), (8, 70.0)))
    other = measured(deployment, points=((1, 52.0), (4, 91.0), (16, 300.0)))
    noisy = measured(deployment, points=((1, 20.0),))
    Result.objects.filter(pk=noisy.pk).update(disturbed=True)

    text = panel(get, own, "repeats")

    assert "output tokens/s by concurrency" in text.lower()
    assert "Run 1 4 " in text
    for row in (
        f"res-{own.pk} this run, [^n]*? 50.0 90.0",
        f"res-{other.pk} [^n]*? 52.0 91.0",
        f"res-{noisy.pk} disturbed, not counted, [^n]*? 20.0 n/a",
    ):
        assert re.search(row, text)
    assert "mean 51.0 of 2 runs 90.5 of 2 runs" in text
    assert "300" not in text


def test_repeats_at_other_concurrencies_have_no_number(get, host):
    deployment = served(host)
    own = measured(deployment, points=((1, 50.0),))
    other = measured(deployment, points=((4, 91.0),))

    text = panel(get, own, "repeats")

    assert f"1 repeat at other concurrencies: res-{other.pk}" in text
    assert "91" not in text
