"""Endpoints: their values, their key, what is stored of a check."""

import pytest

from dashboard.actions.endpoints import Checked, EndpointForm, archive, check_now
from jobs.access import secrets
from jobs.base.messages import Message
from jobs.models import Endpoint
from jobs.tools.outputs.engine_about import EngineAbout
from tests.factories import keep_secret, make_endpoint, make_user, permit_source, stored
from tests.refusals import refused_at

URL = "http://10.0.0.5:8000"
TYPED = {"name": "H800", "url": URL, "model": "m"}
OK = Checked(Message("endpoint:ok"), EngineAbout(("m",), "vllm", "0.9.1", 4096, True))
SILENT = Checked(Message("endpoint:silent", {"url": URL, "problem": "no"}))


@pytest.fixture
def user(db):
    permit_source(URL, "endpoint")
    return make_user()


def draft(typed, user, row=None):
    """The form of an endpoint, whose values may be wrong."""
    form = EndpointForm(typed, user=user, instance=row)
    form.is_valid()
    return form


def refused(typed, user=None, row=None):
    (field,) = draft(typed, user, row).errors
    return field


@pytest.fixture
def save(monkeypatch):
    """Store an endpoint as its check leaves it."""

    def store(form, checked):
        monkeypatch.setattr("dashboard.actions.endpoints.check_engine", lambda row: checked)
        return form.store()

    return store


def typed_of(row):
    """The values that a form of ``row`` sends back."""
    form = EndpointForm(instance=row)
    return {name: "" if (value := form[name].value()) is None else value for name in form.fields}


@pytest.mark.parametrize(
    ("typed", "stored_as"),
    [
        *((one, URL) for one in (URL, f"{URL}/", f"{URL}/v1", f"{URL}/v1/", f" {URL} ")),
        ("HTTP://10.0.0.5:8000/v1", URL),
        (f"{URL}/gate/v1", f"{URL}/gate"),
    ],
)
def test_an_address_is_stored_as_its_part_before_v1(user, typed, stored_as):
    assert draft(dict(TYPED, url=typed), user).instance.url == stored_as


@pytest.mark.parametrize(
    "typed",
    [
        *("", "10.0.0.5:8000", "ftp://10.0.0.5", f"{URL}/?x=1", f"{URL}/../a", f"{URL}/%2e%2e"),
        *("http://me@10.0.0.5:8000", "http://10.0.0.5:0", "http://10.0.0.5:99999", "http://"),
        *(f"{URL}/a#b", "http://10.0.0.5:8000\\@evil", f"{URL}/{'a' * 300}"),
        # None of the listed ones.
        *("http://10.0.0.6:8000", "http://10.0.0.5", "https://10.0.0.5:8000", f"{URL}0"),
    ],
)
def test_another_address_or_one_that_clients_read_in_different_ways_is_refused(user, typed):
    assert refused(dict(TYPED, url=typed), user) == "url"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("name", ""), ("name", "a" * 101), ("name", "a\x07b"), ("model", "two words")),
        *(("model", "--port"), ("model", "{job}"), ("model_id", "nothing"), ("devices", "-1")),
        *(("devices", "eight"), ("max_context", "0"), ("engine", "a" * 65), ("device", "a" * 101)),
        ("thinking_switch", "think"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(user, field, value):
    assert refused(dict(TYPED, **{field: value}), user) == field


def test_a_number_of_devices_needs_words(user):
    assert refused(dict(TYPED, devices="8"), user) == "device"


# -- its key --------------------------------------------------------------------------------------


def keyed(**rules):
    keep_secret("H800_KEY", "sk-0123456789", **{"purpose": "engine", "endpoints": [URL], **rules})
    return dict(TYPED, api_key="H800_KEY")


def test_a_key_that_may_go_there_is_accepted_and_given_for_that_address_alone(user):
    assert draft(keyed(), user).instance.api_key == "H800_KEY"

    assert secrets.endpoint_key("H800_KEY", URL) == "sk-0123456789"
    with pytest.raises(secrets.SecretRefused):
        secrets.endpoint_key("H800_KEY", "http://10.0.0.6:8000")


@pytest.mark.parametrize(
    "rules", [{"endpoints": []}, {"endpoints": ["http://10.0.0.6:8000"]}, {"purpose": "hub"}]
)
def test_a_key_with_other_rules_is_refused(user, rules):
    assert refused(keyed(**rules), user) == "api_key"


def test_an_unknown_key_and_one_of_other_people_are_refused(user):
    assert refused(dict(TYPED, api_key="NOT_THERE"), user) == "api_key"
    assert refused(keyed(people=[make_user()]), user) == "api_key"


def test_a_key_of_other_people_stays_at_its_address_when_another_value_changes(user, save):
    other = "http://10.0.0.6:8000"
    permit_source(other, "endpoint")
    row = save(draft(keyed(people=[user], endpoints=[URL, other]), user), OK)

    assert draft(dict(typed_of(row), device="1 × H20"), make_user(), row).instance.device
    assert refused(dict(typed_of(row), url=other), make_user(), row) == "api_key"


# -- the gateway ----------------------------------------------------------------------------------


def test_only_an_administrator_adds_an_endpoint_to_the_gateway(user, save):
    root = make_user("root", role="admin")

    assert refused(dict(TYPED, in_gateway=True), user) == "in_gateway"
    row = save(draft(dict(TYPED, in_gateway=True), root), OK)
    assert row.in_gateway
    changed = save(draft(dict(typed_of(row), device="1 × H20"), user, row), OK)
    assert (changed.in_gateway, changed.device) == (True, "1 × H20")
    assert not save(draft(dict(typed_of(row), in_gateway=False), root, row), OK).in_gateway


@pytest.mark.parametrize("change", [{"url": "http://10.0.0.6:8000"}, {"model": "other"}])
def test_another_engine_leaves_the_gateway_unless_an_administrator_names_it(user, save, change):
    root = make_user("root", role="admin")
    permit_source("http://10.0.0.6:8000", "endpoint")
    row = save(draft(dict(TYPED, in_gateway=True), root), OK)

    assert save(draft(typed_of(row) | change, root, row), OK).in_gateway
    back = dict(typed_of(row), url=URL, model="m")
    assert not save(draft(back, user, row), OK).in_gateway


def test_a_key_of_some_people_is_not_sent_for_the_gateway(user):
    root = make_user("root", role="admin")

    assert refused(dict(keyed(people=[root]), in_gateway=True), root) == "in_gateway"
    assert draft(dict(TYPED, api_key="", in_gateway=True), root).is_valid()


# -- checks ---------------------------------------------------------------------------------------


def test_an_empty_model_becomes_the_only_one_listed_and_its_name_is_taken(user, save):
    row = save(draft(dict(TYPED, model="", engine="other", engine_version="1"), user), OK)

    assert row.model == "m"
    assert (row.engine_name, row.version, row.context) == ("vllm", "0.9.1", 4096)
    with refused_at("name"):
        save(draft(TYPED, user), OK)


@pytest.mark.parametrize("checked", [SILENT, Checked(OK.message, EngineAbout(("m", "n")))])
def test_an_empty_model_is_refused_if_it_is_not_clear(user, checked, save):
    with refused_at("model"):
        save(draft(dict(TYPED, model=""), user), checked)

    assert not Endpoint.objects.exists()


def test_an_engine_that_does_not_answer_is_stored(user, save):
    row = save(draft(TYPED, user), SILENT)

    assert stored(row, "check_id", "found", "is_answering") == ("endpoint:silent", {}, False)


def test_a_failed_check_keeps_what_was_found_unless_the_address_is_another(user, save, monkeypatch):
    row = save(draft(TYPED, user), OK)
    monkeypatch.setattr("dashboard.actions.endpoints.check_engine", lambda row: SILENT)

    check_now(None, row)

    assert stored(row, "version", "is_answering") == ("0.9.1", False)
    permit_source("http://10.0.0.6:8000", "endpoint")
    save(draft(dict(TYPED, url="http://10.0.0.6:8000"), user, row), SILENT)
    assert stored(row, "version") == ""


def test_an_archived_endpoint_can_be_brought_back():
    row = make_endpoint()

    assert archive(None, row, is_archived=True)
    assert not archive(None, row, is_archived=True)
    assert archive(None, row, is_archived=False)
    assert stored(row, "archived_at") is None
