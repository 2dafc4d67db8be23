"""Configuration of compared results, translated, without irrelevant settings."""

import pytest
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.translation import override

from dashboard.pages.shared.words import setting_text
from jobs.kinds import KINDS
from jobs.plans import Plan, Step
from jobs.queries.comparison.settings import engine_settings, settings
from tests.factories import make_deployment, make_host, make_job, make_measured, make_user
from tests.jobs.lib.vacc_target import CURRENT, EXACT, vacc_host


def options(*argv):
    return engine_settings(Plan("deploy-vllm", (Step("serve", argv, serves=True),)))


def served(**raw):
    kind = KINDS["deploy-vllm"]
    return engine_settings(kind.plan(kind.Params(weights="6", **raw), vacc_host()))


@pytest.mark.parametrize(
    ("argv", "found"),
    [
        (  # A flag does not take the next word as value.
            "vllm serve /w --trust-remote-code --seed -1 --eager -q",
            {"--trust-remote-code": "yes", "--seed": "-1", "--eager": "yes"},
        ),
        ("vllm --dtype=bf16 /w", {"--dtype": "bf16"}),
        # Braces that were doubled for the plan.
        ('vllm serve /w --config {{"method":"mtp"}}', {"--config": '{"method":"mtp"}'}),
        # Variables of a container.
        ("docker run -e SPACE=8 -e KEY -e D={dies} img s -e X", {"SPACE": "8"}),
        # A file of the server's own folder.
        ("serve --chat-template {serve_dir}/files/r.jinja", {"--chat-template": "r.jinja"}),
    ],
)
def test_options_of_a_server_are_settings(argv, found):
    assert options(*argv.split()) == found


@pytest.mark.parametrize("raw", [{}, EXACT, CURRENT, {**CURRENT, "mtp": True, "kv_cache_gib": 8}])
def test_what_is_the_container_s_is_no_setting_of_the_model(raw):
    values = served(**raw)

    docker = {"--rm", "--name", "--label", "--privileged", "--ipc", "--shm-size", "--network"}
    names = {"--host", "--port", "--served-model-name"}
    assert not (docker | names) & set(values)
    assert values["--tensor-parallel-size"] == "32"
    assert values["--trust-remote-code"] == "yes"


@pytest.mark.parametrize("raw", [{}, EXACT, CURRENT, {**CURRENT, "api_key": "API_KEY"}])
def test_what_differs_by_job_only_is_no_setting(raw):
    text = str(served(**raw))

    assert not any(slot in text for slot in ("{port}", "{job}", "{dies}", "{deployment", "{serve"))
    assert "API_KEY" not in text


def test_yes_no_and_stacks_are_in_the_viewer_s_words():
    with override("zh-hans"):
        assert (setting_text("yes", "exclusive"), setting_text("no", "exclusive")) == ("是", "否")
        assert setting_text("guide", "stack") != "guide"


def test_weights_are_no_setting_and_switches_are_yes_or_no():
    params = {"stack": "guide", "weights": "job:40", "exclusive": True, "as_in_guide": False}
    job = make_job(state="succeeded", kind="benchmark-latency", params=params)
    host = {"cpu": {"model": "Kunpeng", "cores": 64, "avx512": True}}
    result = make_measured(job=job, host=make_host(facts=host))

    values = {setting.name: setting.values for setting in settings([result])}

    assert "weights" not in values
    assert (values["exclusive"], values["as_in_guide"]) == (["yes"], ["no"])
    assert (values["host cpu"], values["host cores"]) == (["Kunpeng"], ["64"])


def test_the_pages_show_no_word_of_the_program(client):
    client.force_login(make_user("lin"))
    params = {"stack": "guide", "exclusive": True, "as_in_guide": False, "concurrency": [1, 4]}
    kind = KINDS["deploy-vllm"]
    plan = kind.plan(kind.Params(weights="6"), vacc_host())
    results = [
        make_measured(
            points=[(1, {"output_tokens_per_s": 9.0})],
            job=make_job(state="succeeded", kind="benchmark-online", params=params),
            deployment=make_deployment(job=make_job(state="succeeded", plan=plan)),
        )
        for _ in range(2)
    ]

    query = "&".join(f"id=res-{result.pk}" for result in results)
    compared = client.get(f"{reverse('result-compare')}?{query}&all=1").content.decode()
    own = client.get(reverse("result-detail", args=[results[0].pk])).content.decode()

    assert "--tensor-parallel-size" in strip_tags(compared)
    assert "1, 4" in strip_tags(compared)
    assert "--privileged" not in compared[compared.index(">Configuration<") :]
    for html in (compared, own[own.index('id="inputs"') :]):
        cells = html.replace("<td", "\n<td").replace("<dd", "\n<dd")
        assert not [word for word in (">True<", ">False<", ">guide<") if word in cells]
