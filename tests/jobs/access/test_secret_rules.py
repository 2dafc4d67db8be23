"""Rules of secrets: people, hosts, purpose and endpoints."""

import re
from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.access import secret_keys as keys
from jobs.access import secrets
from jobs.access.secrets import VARIABLES, Use, uses
from jobs.access.sources import is_below
from jobs.base.errors import LaunchError
from jobs.models import Secret
from jobs.plans import Step
from jobs.plans import secrets as named_in
from tests.factories import (
    HUBS,
    keep_secret,
    make_deployment,
    make_host,
    make_job,
    make_plan,
    make_user,
)

VALUE = "hf_0123456789"
URL = "http://10.0.0.5:8000"


def plan_of(variable="HF_TOKEN", *, endpoint="", name="MINE", serves=False):
    env = ((variable, f"{{secret:{name}}}"),)
    if endpoint:
        env = (("HF_ENDPOINT", endpoint), *env)
    return make_plan(steps=(Step("a", ("true",), env=env, serves=serves),))


@pytest.mark.parametrize(
    ("plan", "use"),
    [
        (plan_of(), Use("MINE", "hub", "https://huggingface.co")),
        (plan_of(endpoint=HUBS[1]), Use("MINE", "hub", HUBS[1])),
        (plan_of("OPENAI_API_KEY"), Use("MINE", "engine", "{deployment.url}")),
        (plan_of("VLLM_API_KEY", serves=True), Use("MINE", "engine", "")),
        (plan_of("PASSWORD"), Use("MINE", "", "{deployment.url}")),
    ],
)
def test_a_plan_tells_what_a_secret_is_for_and_where_it_goes(plan, use):
    assert uses(plan) == [use]


def test_no_toolchain_passes_a_secret_in_a_variable_without_purpose(pytestconfig):
    """Every literal ``("NAME", f"{{secret:…}}")`` of the program."""
    root = pytestconfig.rootpath / "jobs"
    found = {
        variable
        for path in (*(root / "tools").rglob("*.py"), *(root / "kinds").rglob("*.py"))
        for variable in _variables(path.read_text())
    }

    assert found
    assert found <= VARIABLES.keys()


def _variables(text):
    for match in re.finditer(r'"([A-Z_]+)", (?:f"\{\{secret|key\))', text):
        yield match[1]


@pytest.mark.parametrize(
    ("address", "prefix", "is_inside"),
    [
        ("https://huggingface.co", "https://huggingface.co", True),
        ("https://huggingface.co/", "https://huggingface.co", True),
        ("https://HuggingFace.co/a", "https://huggingface.co/", True),
        ("https://huggingface.co:443/a", "https://huggingface.co", True),
        ("https://h.example/team/a", "https://h.example/team", True),
        ("https://h.example/team", "https://h.example/team/", True),
        ("http://huggingface.co", "https://huggingface.co", False),
        ("https://huggingface.co:8443", "https://huggingface.co", False),
        ("https://huggingface.co.evil.example", "https://huggingface.co", False),
        ("https://evil.example/huggingface.co", "https://huggingface.co", False),
        ("https://huggingface.co@evil.example", "https://huggingface.co", False),
        ("https://evil.example\\@huggingface.co", "https://huggingface.co", False),
        ("https://evil.example#@huggingface.co", "https://huggingface.co", False),
        ("https://h.example/teams", "https://h.example/team", False),
        ("https://h.example/team/../a", "https://h.example/team", False),
        ("https://h.example/team/%2e%2e/a", "https://h.example/team", False),
        ("https://h.example/team//evil.example", "https://h.example/team", False),
        ("https://huggingface.co:99999", "https://huggingface.co", False),
        ("https://[::1", "https://huggingface.co", False),
        ("huggingface.co", "https://huggingface.co", False),
        ("", "https://huggingface.co", False),
    ],
)
def test_an_address_is_below_a_prefix_or_not(address, prefix, is_inside):
    assert is_below(address, ["https://other.example", prefix]) is is_inside


@pytest.fixture
def host(db):
    return make_host("va16-01")


@pytest.fixture
def lin(db):
    return make_user("lin")


def refusal(plan, host, user, params=None, **values):
    """(field, message) of the refusal; None: permitted."""
    try:
        secrets.check(plan, params or {}, host=host, user=user, values=values)
    except LaunchError as error:
        return error.field, str(error)
    return None


def test_who_it_names_may_use_it_on_its_hosts_at_its_endpoints(host, lin):
    keep_secret("MINE", VALUE, hosts=[host], people=[lin])

    assert refusal(plan_of(endpoint=HUBS[1]), host, lin) is None


PARAMS = {"model": "x", "endpoint": "https://evil.example", "token": "MINE"}


@pytest.mark.parametrize(
    ("rules", "plan", "field", "words"),
    [
        ({}, {"endpoint": "https://evil.example"}, "endpoint", "may not be sent to https://evil"),
        ({"purpose": "engine"}, {}, "token", "is for another purpose: engine key"),
        ({"hosts": "other"}, {}, "token", "may not be used on va16-01"),
        ({"people": "other"}, {}, "token", "You may not use secret MINE"),
        ({"people": "other"}, {"endpoint": "https://e.example"}, "token", "You may not use secret"),
        ({}, {"variable": "PASSWORD"}, "token", "is not allowed in this command"),
    ],
)
def test_a_refusal_is_at_its_field_and_says_what_to_do(host, lin, rules, plan, field, words):
    if "hosts" in rules:
        rules = {"hosts": [make_host("va16-02")]}
    if "people" in rules:
        rules = {"people": [make_user("ada", is_staff=True)]}
    keep_secret("MINE", VALUE, **rules)

    found = refusal(plan_of(**plan), host, lin, PARAMS)

    assert found is not None
    assert found[0] == field
    assert words in found[1]
    assert any(word in found[1] for word in ("sk an administrator", "Choose", "Launch without"))


def test_an_administrator_who_is_not_named_may_not_use_it(host, lin):
    keep_secret("MINE", VALUE, people=[lin])

    assert refusal(plan_of(), host, make_user(is_staff=True)) is not None
    assert refusal(plan_of(), host, None) is not None


def test_without_a_person_only_secrets_for_everyone_are_allowed(host):
    keep_secret("MINE", VALUE)

    assert refusal(plan_of(), host, None) is None


def test_an_engine_key_goes_to_all_deployments_or_to_the_named_ones(host, lin):
    keep_secret("MINE", VALUE, purpose="engine")
    plan = plan_of("OPENAI_API_KEY")
    assert refusal(plan, host, lin, **{"deployment.url": URL}) is None

    keep_secret("MINE", VALUE, purpose="engine", endpoints=[URL])
    assert refusal(plan, host, lin, **{"deployment.url": URL}) is None
    found = refusal(plan, host, lin, {"deployment": "1"}, **{"deployment.url": f"{URL}1"})
    assert found is not None and found[0] == "deployment"
    assert refusal(plan_of("VLLM_API_KEY", serves=True), host, lin) is None


def test_the_address_of_a_promised_deployment_is_checked_when_the_job_starts(host, lin):
    keep_secret("MINE", VALUE, purpose="engine", endpoints=[URL])
    plan = plan_of("OPENAI_API_KEY")
    assert refusal(plan, host, lin) is None
    job = make_job(plan=plan, host=host, created_by=lin)

    for values in ({}, {"deployment.url": "http://10.0.0.6:8000"}):
        with pytest.raises(secrets.Refused) as caught:
            secrets.of_job(job, values=values)
        assert caught.value.message.id == "job:secret_endpoint"
    assert secrets.of_job(job, values={"deployment.url": URL}) == {"MINE": VALUE}


def test_all_secrets_of_a_plan_or_none(host, lin):
    keep_secret("MINE", VALUE)
    keep_secret("OTHER", "hf_another_one", people=[make_user()])
    steps = plan_of().steps + tuple(
        Step("b", step.argv, env=step.env) for step in plan_of(name="OTHER").steps
    )
    job = make_job(plan=make_plan(steps=steps), host=host, created_by=lin)
    assert named_in(make_plan(steps=steps)) == ("MINE", "OTHER")

    with pytest.raises(secrets.Refused):
        secrets.of_job(job)


def old(**fields):
    """A secret of an earlier version."""
    encrypted = keys.encrypt("MINE", VALUE, keys.make())
    return Secret.objects.create(
        name="MINE", all_hosts=True, everyone=True, encrypted=encrypted, **fields
    )


@pytest.mark.parametrize("purpose", ["", "hub"])
def test_an_incomplete_secret_stays_with_the_jobs_of_before_and_gets_no_new_one(host, lin, purpose):
    before = make_job(plan=plan_of(), host=host, created_by=lin)
    row = old(purpose=purpose)
    assert before.created_at < row.created_at
    later = make_job(plan=plan_of(), host=host, created_by=lin)

    assert secrets.of_job(before) == {"MINE": VALUE}
    with pytest.raises(secrets.Refused) as caught:
        secrets.of_job(later)
    assert caught.value.message.id == "job:secret_incomplete"
    found = refusal(plan_of(), host, lin, PARAMS)
    assert found is not None
    assert found[0] == "token" and "Ask an administrator to complete it" in found[1]

    keep_secret("MINE", VALUE)
    assert secrets.of_job(later) == {"MINE": VALUE}


def test_a_completed_secret_is_bound_by_its_rules_for_jobs_of_before_too(host, lin):
    evil = plan_of(endpoint="https://evil.example")
    before = make_job(plan=evil, host=host, created_by=lin, created_at=now() - timedelta(days=1))
    old(purpose="hub")
    keep_secret("MINE", VALUE)

    with pytest.raises(secrets.Refused):
        secrets.of_job(before)


def test_keys_of_engines_that_run_stay_usable(host):
    row = old(purpose="engine")
    deployment = make_deployment(
        job=make_job(plan=plan_of("VLLM_API_KEY", serves=True), host=host, state="succeeded")
    )

    assert row.is_complete
    assert secrets.of_restart(deployment) == {"MINE": VALUE}
    assert secrets.engine_key("MINE", deployment) == VALUE


@pytest.mark.parametrize(
    "rules",
    [
        {"purpose": "hub"},
        {"purpose": "engine", "endpoints": ["http://10.9.9.9:8000"]},
        {"purpose": "engine", "hosts": "other"},
    ],
)
def test_the_chat_sends_a_key_only_where_it_may_go(host, rules):
    if "hosts" in rules:
        rules = {**rules, "hosts": [make_host()]}
    keep_secret("MINE", VALUE, **rules)
    deployment = make_deployment(host=host, dashboard_url=URL)

    assert secrets.engine_key("MINE", deployment) == ""
    assert secrets.engine_key("NOT_THERE", deployment) == ""


def test_a_secret_that_cannot_be_decrypted_is_refused_at_its_field(host, lin, settings, caplog):
    keep_secret("MINE", VALUE)
    keys.key_file().unlink()

    found = refusal(plan_of(), host, lin, PARAMS)

    assert found is not None
    assert found[0] == "token" and "cannot be decrypted" in found[1]
    assert str(settings.DATA_DIR) not in found[1]
    # The log has the cause, which an administrator needs.
    assert "secrets MINE cannot be decrypted: The key file of secrets is missing" in caplog.text
    assert str(keys.key_file()) in caplog.text


def test_keys_that_change_between_two_reads_lose_nothing(host, lin, monkeypatch):
    keep_secret("MINE", VALUE)
    read = keys.load

    def rotated_first():
        monkeypatch.setattr(keys, "load", read)
        secrets.rotate()
        return read()

    monkeypatch.setattr(keys, "load", rotated_first)
    job = make_job(plan=plan_of(), host=host, created_by=lin)

    assert secrets.of_job(job) == {"MINE": VALUE}
