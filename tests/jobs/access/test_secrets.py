"""Secrets are stored encrypted, by name; rules of people, hosts, purpose and endpoints."""

import re
import stat

import pytest
from django.db import connection

from jobs.access import secret_keys as keys
from jobs.access import secrets
from jobs.access.secret_keys import KeyUnusable
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
    secret_values,
)
from tests.refusals import refused_at

VALUE = "hf_0123456789"


def key_file(folder):
    return folder / "secrets" / "encryption_key"


def test_the_table_has_an_encrypted_value_and_only_this_user_reads_the_key_file(settings):
    keep_secret("HF_TOKEN", VALUE)

    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM jobs_secret")
        (row,) = cursor.fetchall()
    assert VALUE not in str(row)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    path = key_file(settings.DATA_DIR)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_key_file_may_lie_outside_the_data_folder(settings, tmp_path):
    settings.SECRETS_KEY_FILE = tmp_path / "elsewhere" / "key"

    keep_secret("HF_TOKEN", VALUE)

    assert settings.SECRETS_KEY_FILE.exists()
    assert not key_file(settings.DATA_DIR).exists()
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_missing_or_damaged_key_file_is_named_and_never_made_anew(settings):
    keep_secret("HF_TOKEN", VALUE)
    file = key_file(settings.DATA_DIR)
    for content in (b"", b"no key", keys.new() + b"\nno key"):
        file.write_bytes(content)
        assert "holds no valid key" in secrets.problem()

    file.unlink()

    assert f"is missing: {file}" in secrets.problem()
    with pytest.raises(KeyUnusable, match="is missing"):
        keep_secret("API_KEY", "another-value")
    assert not file.exists()
    assert secrets.names() == ["HF_TOKEN"]


def test_another_key_is_no_empty_secret(settings):
    keep_secret("HF_TOKEN", VALUE)
    keys.write([keys.new()])

    assert "HF_TOKEN was encrypted with another key" in secrets.problem()
    with pytest.raises(KeyUnusable):
        secret_values(["HF_TOKEN"])

    keep_secret("HF_TOKEN", "a-new-value")
    assert secrets.problem() == ""


def test_an_encrypted_value_belongs_to_its_name():
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("API_KEY", "engine-key")
    token = Secret.objects.get(name="HF_TOKEN").encrypted
    Secret.objects.filter(name="API_KEY").update(encrypted=token)

    with pytest.raises(KeyUnusable):
        secret_values(["API_KEY"])


@pytest.mark.postgresql
def test_a_rotation_encrypts_all_with_a_new_key_and_removes_the_old_one(settings):
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("API_KEY", "engine-key")
    old, stored = keys.load(), list(Secret.objects.values_list("encrypted", flat=True))

    assert secrets.rotate() == 2

    assert secret_values(["HF_TOKEN", "API_KEY"]) == {"HF_TOKEN": VALUE, "API_KEY": "engine-key"}
    assert not set(old) & set(keys.load())
    assert not set(stored) & set(Secret.objects.values_list("encrypted", flat=True))
    assert stat.S_IMODE(key_file(settings.DATA_DIR).stat().st_mode) == 0o600


def test_a_rotation_may_use_a_key_that_the_file_has():
    keep_secret("HF_TOKEN", VALUE)
    old, new = keys.load(), keys.new()
    keys.write([new, *old])

    secrets.rotate(with_new_key=False)

    assert keys.load() == [new, *old]
    keys.write([new])
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_rotation_with_a_wrong_key_changes_nothing():
    keep_secret("HF_TOKEN", VALUE)
    right, wrong = keys.load(), [keys.new()]
    keys.write(wrong)

    with pytest.raises(KeyUnusable):
        secrets.rotate()

    assert keys.load() == wrong
    keys.write(right)
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_crash_in_the_middle_of_a_rotation_loses_no_key(monkeypatch):
    keep_secret("HF_TOKEN", VALUE)
    written = []

    def crash(found):
        written.append(list(found))
        raise KeyboardInterrupt

    whole = keys.write
    monkeypatch.setattr(keys, "write", crash)
    with pytest.raises(KeyboardInterrupt):
        secrets.rotate()
    whole(written[0])

    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_a_new_value_takes_the_place_of_the_old_one_until_it_is_forgotten():
    keep_secret("HF_TOKEN", VALUE)
    keep_secret("HF_TOKEN", "hf_9876543210")
    assert secrets.names() == ["HF_TOKEN"]
    assert secret_values(["HF_TOKEN", "OTHER"]) == {"HF_TOKEN": "hf_9876543210"}

    assert secrets.forget("HF_TOKEN") is True
    assert secrets.forget("HF_TOKEN") is False
    assert secrets.names() == []


def test_rules_change_without_the_value():
    keep_secret("HF_TOKEN", VALUE)
    host, person = make_host(), make_user()

    is_new = secrets.keep(
        "HF_TOKEN", None, purpose="engine", hosts=[host], people=[person], endpoints=()
    )

    row = Secret.objects.get()
    assert (is_new, row.purpose, row.endpoints) == (False, "engine", [])
    assert (row.all_hosts, [*row.hosts.all()]) == (False, [host])
    assert (row.everyone, [one.pk for one in row.people.all()]) == (False, [person.pk])
    assert secret_values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


@pytest.mark.parametrize("name", ["", "token", "../X", "A/B", "1A", "A" * 65, "A B", "HF_TOKEN\n"])
def test_a_name_that_is_no_variable_is_refused(name):
    with refused_at("name"):
        keep_secret(name, VALUE)

    assert secrets.names() == []


@pytest.mark.parametrize(
    "value", ["", "short", " 0123456789", "01234\n6789", "x" * 4097, "a\0bcdefgh"]
)
def test_a_value_that_cannot_be_redacted_in_a_log_is_refused(value):
    with refused_at("value"):
        keep_secret("HF_TOKEN", value)


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"purpose": ""}, "purpose"),
        ({"purpose": "other"}, "purpose"),
        ({"endpoints": ()}, "endpoints"),
        ({"purpose": "registry", "endpoints": ()}, "endpoints"),
        ({"endpoints": ("huggingface.co",)}, "endpoints"),
        ({"endpoints": ("ftp://huggingface.co",)}, "endpoints"),
        ({"endpoints": ("https://me:pw@huggingface.co",)}, "endpoints"),
        ({"endpoints": ("https://huggingface.co/?a=1",)}, "endpoints"),
        ({"endpoints": ("https://huggingface.co/a/../b",)}, "endpoints"),
        ({"endpoints": ("https://h.example/" + "a" * 200,)}, "endpoints"),
        ({"endpoints": [f"https://h.example/{n}" for n in range(21)]}, "endpoints"),
        ({"hosts": []}, "hosts"),
        ({"people": []}, "people"),
    ],
)
def test_a_rule_that_permits_all_or_nothing_by_mistake_is_refused(rules, field):
    with refused_at(field):
        keep_secret("HF_TOKEN", VALUE, **rules)

    assert secrets.names() == []


# Rules of secrets: people, hosts, purpose and endpoints.

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


def test_who_is_not_named_may_use_what_is_for_everyone_only(host, lin):
    keep_secret("MINE", VALUE, people=[lin])
    assert refusal(plan_of(), host, make_user(is_staff=True)) is not None
    assert refusal(plan_of(), host, None) is not None

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
        with pytest.raises(secrets.SecretRefused) as caught:
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

    with pytest.raises(secrets.SecretRefused):
        secrets.of_job(job)


@pytest.mark.parametrize("purpose", ["", "hub"])
def test_a_secret_without_purpose_or_endpoints_goes_nowhere(host, lin, purpose):
    keep_secret("MINE", VALUE)
    Secret.objects.update(purpose=purpose, endpoints=[])
    job = make_job(plan=plan_of(), host=host, created_by=lin)

    with pytest.raises(secrets.SecretRefused):
        secrets.of_job(job)
    assert refusal(plan_of(), host, lin, PARAMS)[0] in ("token", "endpoint")

    keep_secret("MINE", VALUE)
    assert secrets.of_job(job) == {"MINE": VALUE}


def test_keys_of_engines_that_run_stay_usable(host):
    keep_secret("MINE", VALUE, purpose="engine")
    deployment = make_deployment(
        job=make_job(plan=plan_of("VLLM_API_KEY", serves=True), host=host, state="succeeded")
    )

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

    for name in ("MINE", "NOT_THERE"):
        with pytest.raises(secrets.SecretRefused):
            secrets.engine_key(name, deployment)


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
