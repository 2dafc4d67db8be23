"""Permitted sources: their addresses, what is included, the list, and which fields name one."""

import re
import socket
import threading
from typing import Literal, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError

from jobs.access import sources
from jobs.access.sources import clean, is_included, permits
from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS, ZooModel
from jobs.kinds import KINDS
from jobs.kinds.lib.base import rules_of, source_fields
from jobs.models import Source
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job, make_user, permit_source, stored
from tests.jobs.lib.target import here
from tests.jobs.lib.vacc_target import vacc_host
from tests.refusals import refused_at
from tests.waiting import PATIENCE_S

GIT, HUB, IMAGE = "https://git.example/team", "https://hub.example", "registry.example:5000/team"


@pytest.mark.parametrize(
    ("source_type", "entry", "address", "is_permitted"),
    [
        ("git", GIT, "https://git.example/team", True),
        ("git", GIT, "https://git.example/team/", True),
        ("git", GIT, "https://git.example/team/vllm.git", True),
        ("git", GIT, "https://git.example:443/team/vllm", True),
        ("git", f"{GIT}/vllm.git", f"{GIT}/vllm", True),
        ("git", f"{GIT}/vllm", f"{GIT}/vllm.git", True),
        ("git", "https://git.example", f"{GIT}/vllm", True),
        ("git", GIT, "https://git.example/teams/vllm", False),
        ("git", GIT, "https://git.example/other", False),
        ("git", GIT, "https://git.example.evil/team/vllm", False),
        ("git", GIT, "https://git.example@evil.example/team/vllm", False),
        ("git", GIT, "https://evil.example/git.example/team", False),
        ("git", GIT, "https://git.example/team/../other", False),
        ("git", GIT, "https://git.example/team/./../other", False),
        ("git", GIT, "https://git.example/team/%2e%2e/other", False),
        ("git", GIT, "https://git.example/team/%252e%252e/other", False),
        ("git", GIT, "https://git.example/team//other", False),
        ("git", GIT, "https://git.example:8443/team/vllm", False),
        ("git", GIT, "http://git.example/team/vllm", False),
        ("git", GIT, "ssh://git.example/team/vllm", False),
        ("git", GIT, "git@git.example:team/vllm", False),
        ("git", GIT, "https://GIT.example/team/vllm", False),
        ("git", GIT, "HTTPS://git.example/team/vllm", False),
        ("git", GIT, "https://git.example./team/vllm", False),
        ("git", GIT, "https://git.example\\@evil.example/team", False),
        ("git", GIT, "https://git.example/team/vllm?x=1", False),
        ("git", GIT, "https://git.example/team/vllm#x", False),
        ("git", GIT, "https://git.example/team/vllm\n", False),
        ("git", GIT, "https://git.example:99999/team", False),
        ("git", GIT, "https://gıt.example/team", False),
        ("git", GIT, "", False),
        ("hub", HUB, "https://hub.example/", True),
        ("hub", HUB, "https://hub.example/eve/repo/resolve/main", False),
        ("hub", "http://hub.example/mirror", "http://hub.example/mirror", True),
        ("index", "https://pypi.example/simple", "https://pypi.example/simple/", True),
        ("index", "https://pypi.example/simple", "https://pypi.example/simple/eve", False),
        ("index", "https://pypi.example/simple", "https://pypi.example", False),
        ("revision", "team/Model-1.5@v1", "team/Model-1.5@v1", True),
        ("revision", "team/Model-1.5@v1", "team/Model-1.5@refs/pr/1", False),
        ("revision", "team/Model-1.5@refs/pr/1", "team/Model-1.5@refs/pr/1", True),
        ("revision", "team/Model-1.5@v1", "eve/Model-1.5@v1", False),
        ("revision", "team/Model-1.5@v1", "team/Model-1.5", False),
        ("image", IMAGE, f"{IMAGE}/vllm:1.0", True),
        ("image", f"{IMAGE}/vllm", f"{IMAGE}/vllm:1.0", True),
        ("image", f"{IMAGE}/vllm:1.0", f"{IMAGE}/vllm:1.0", True),
        ("image", "registry.example:5000", f"{IMAGE}/vllm:1.0", True),
        ("image", f"{IMAGE}/vllm:1.0", f"{IMAGE}/vllm:1.1", False),
        ("image", f"{IMAGE}/vllm:1.0", f"{IMAGE}/vllm", False),
        ("image", IMAGE, "registry.example:5001/team/vllm:1.0", False),
        ("image", IMAGE, "registry.example/team/vllm:1.0", False),
        ("image", IMAGE, "registry.example:5000/teams/vllm:1.0", False),
        ("image", IMAGE, "registry.example:5000/team/../other:1.0", False),
        ("image", IMAGE, "REGISTRY.example:5000/team/vllm:1.0", False),
        ("image", IMAGE, "registry.example:5000/team/vllm@sha256:00", False),
    ],
)
def test_an_entry_permits_an_address_or_not(source_type, entry, address, is_permitted):
    assert permits(source_type, entry, address) is is_permitted


@pytest.mark.parametrize(
    ("source_type", "address"),
    [
        ("git", "git.example/team"),
        ("git", "http://git.example/team"),
        ("git", "https://git.example/team name"),
        ("index", "file:///srv/wheels"),
        ("hub", "https://me@hub.example"),
        ("revision", "team/model"),
        ("revision", "https://hub.example/team/model@v1"),
        ("revision", "team/model@v1/"),
        ("image", "team/vllm"),  # a folder of docker's own hub
        ("image", "registry.example:tag"),
        ("image", "https://registry.example/team"),
    ],
)
def test_an_address_of_another_form_is_none(source_type, address):
    with pytest.raises(ValueError, match=re.escape(address)):
        clean(source_type, address)


@pytest.mark.parametrize(
    ("source_type", "address", "is_one"),
    [
        ("git", "https://github.com/vllm-project/vllm.git", True),
        ("git", "https://github.com/open-compass/opencompass.git", True),
        ("git", "https://github.com/eve/vllm.git", False),
        ("hub", "https://hf-mirror.com", True),
        ("hub", "https://huggingface.co", True),
        ("hub", "https://huggingface.co/eve/repo/resolve/main", False),
        ("hub", "https://www.modelscope.cn", False),  # chosen by its name
        ("index", "https://mirrors.aliyun.com/pypi/simple/", True),
        ("image", "registry.example/ai_deliver/vllm_vacc:VVI-26.02", True),
        ("image", "registry.example/ai_deliver/vllm_vacc:VVI-26.02_noavx", True),
        ("image", "registry.example/ai_deliver/vllm_vacc:eve", False),
        ("image", "other.example/ai_deliver/vllm_vacc:VVI-26.02", False),
        ("image", "ai_deliver/vllm_vacc:VVI-26.02", False),
    ],
)
def test_the_catalogue_s_sources_are_included(source_type, address, is_one):
    assert is_included(source_type, address, GUIDE_FACTS) is is_one


def test_an_image_is_included_for_no_host_without_a_registry():
    assert not is_included("image", "ai_deliver/vllm_vacc:VVI-26.02", {})
    assert not is_included("image", "/ai_deliver/vllm_vacc:VVI-26.02", {})


def test_every_web_address_of_toolchains_and_stacks_is_included(pytestconfig):
    known = {one.address for one in sources.included()}
    root = pytestconfig.rootpath / "jobs"
    files = [*(root / "tools").rglob("*.py"), *(root / "catalog" / "stacks").glob("*.yaml")]
    found = {
        address.rstrip("/")
        for path in files
        for address in re.findall(r"https?://[a-z][a-z0-9.-]+\.[a-z]+[^\s\"'{)]*", path.read_text())
    }

    assert len(found) >= 5
    assert {one for one in found if not any(name.startswith(one) for name in known)} == set()


# Open text fields that may hold an address or have the name of a source, with the reason.
NO_SOURCES = {
    ("build-images", "registry_user"): "an account of the host's own registry",
    ("build-images", "registry_password"): "name of a secret",
    ("collect-results", "folder"): "a folder below the host's workspace",
    ("compile-vacc", "huggingface_hub"): "a version",
    ("deploy-vllm", "name"): "name in requests",
}
ADDRESSES = (
    *("https://evil.example/x", "http://evil.example/x", "ssh://evil.example/x"),
    *("git@evil.example:x.git", "evil.example/team/image:tag", "evil.example/team/image"),
)
NAMES = re.compile(r"url|uri|endpoint|repo|index|registry|image|tag|mirror|hub|remote|script")


def open_fields(kind):
    """Names of the kind's text fields that take any value of their form."""
    for name, info in kind.Params.model_fields.items():
        rules = rules_of(kind.Params)[name]
        is_closed = any(kind.choices(name, host) is not None for host in (here(), vacc_host()))
        if not (is_closed or rules.asset or get_origin(info.annotation) is Literal):
            yield name, info


def takes(info, value):
    try:
        TypeAdapter(info.rebuild_annotation()).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_that_may_name_a_source_declares_it(kind):
    suspects = {
        name
        for name, info in open_fields(kind)
        if NAMES.search(name) or any(takes(info, address) for address in ADDRESSES)
    }
    declared = source_fields(kind.Params)

    assert suspects - declared.keys() == {name for of, name in NO_SOURCES if of == kind.name}
    assert set(declared.values()) <= set(sources.TYPES)


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_model_of_a_team_names_no_address(address):
    model = MODELS["smollm2-135m-instruct"].model_dump(mode="json")
    ZooModel.model_validate(model)

    for wrong in (
        {"hub_id": address},
        {"source": {**model["source"], "package": address}},
        {"source": {**model["source"], "version": address}},
    ):
        with pytest.raises(ValidationError):
            ZooModel.model_validate(model | wrong)


def test_a_field_that_does_not_count_reaches_no_plan():
    host = vacc_host()
    evil = "https://evil.example/vllm.git"
    params = KINDS["build-images"].Params(stack="current", repository=evil)
    kind = KINDS["build-images"]

    assert kind.sources(params, host) == {}
    assert evil not in str(kind.plan(params, host).to_json())
    tagged = kind.Params(stack="guide", tag="eve")
    assert kind.sources(tagged, host) == {}
    assert "eve" not in str(kind.plan(tagged, host).to_json())


def test_a_tag_stands_for_the_image_of_the_host_s_registry():
    kind = KINDS["build-images"]

    found = kind.sources(kind.Params(stack="current", tag="eve"), vacc_host())

    assert found == {"tag": "registry.lan:5000/ai_deliver/vllm_vacc:eve"}
    assert STACKS["current"].vllm.image.name == "ai_deliver/vllm_vacc"


@pytest.mark.parametrize("revision", ["", "main", "master"])
def test_the_main_branch_of_a_model_needs_no_permission(revision):
    kind = KINDS["prepare-weights"]

    found = kind.sources(kind.Params(revision=revision), vacc_host())

    assert found == {"endpoint": "https://hf-mirror.com"}


@pytest.fixture
def host(db):
    return make_host("va16-01", type="vacc", facts=dict(GUIDE_FACTS))


def test_the_list_permits_what_an_administrator_added_of_that_type(host):
    kind = KINDS["build-images"]
    params = kind.Params(repository=f"{GIT}/vllm.git")

    for listed in ((), ("hub",)):
        for source_type in listed:
            permit_source(GIT, source_type)
        with refused_at("repository"):
            sources.check(kind, params, host)
    permit_source(GIT)
    sources.check(kind, params, host)


@pytest.mark.parametrize(
    ("source_type", "address", "note", "field", "words"),
    [
        ("", GIT, "", "type", "Choose the type."),
        ("data", "https://data.example", "", "type", "Choose the type."),
        ("git", "", "", "address", "such as https://git.example/team"),
        ("git", "https://me@git.example/team", "", "address", "no account"),
        ("image", "team/image", "", "address", "Enter registry and name"),
        ("revision", "team/model", "", "address", "Enter a model's hub ID and the revision"),
        ("git", f"https://git.example/{'a' * 300}", "", "address", "at most 300 characters"),
        ("git", GIT, "a" * 201, "note", "at most 200 characters"),
        ("git", GIT, "a\x07b", "note", "one line"),
        ("git", "https://github.com/vllm-project/vllm", "", "address", "permitted already"),
    ],
)
def test_a_wrong_part_is_refused_at_its_field(source_type, address, note, field, words):
    with pytest.raises(LaunchError) as caught:
        sources.add(source_type, address, note=note, user=None)

    assert (caught.value.field, words in str(caught.value)) == (field, True)
    assert not Source.objects.exists()


def test_what_is_permitted_already_is_not_added_again_and_the_list_has_an_end(monkeypatch):
    monkeypatch.setattr(sources, "MOST", 1)
    permit_source(GIT)

    for address in (GIT, f"{GIT}/", f"{GIT}/vllm.git"):
        with pytest.raises(LaunchError, match="permitted already"):
            permit_source(address)
    with pytest.raises(LaunchError, match="Remove some first"):
        permit_source("https://git.example/other")


def test_a_field_offers_included_and_listed_sources():
    permit_source(GIT)
    permit_source("registry.example/ai_deliver/vllm_vacc:VVI-26.07", "image")
    permit_source("registry.example/other/image:9", "image")
    permit_source("team/model@refs/pr/1", "revision")

    assert sources.offered("git", GUIDE_FACTS)[-1] == GIT
    assert "https://github.com/vllm-project/vllm.git" in sources.offered("git", GUIDE_FACTS)
    assert sources.offered("hub", GUIDE_FACTS) == [
        "https://hf-mirror.com",
        "https://huggingface.co",
    ]
    assert sources.offered("revision", GUIDE_FACTS) == ["refs/pr/1"]
    tags = sources.offered("image", GUIDE_FACTS)
    assert tags[-1] == "VVI-26.07" and "VVI-26.02" in tags and "9" not in tags


def test_the_account_of_who_added_it_may_go():
    ada = make_user("ada")
    row = permit_source(GIT, user=ada, note="of the team")
    assert row.created_by == ada

    ada.delete()

    assert stored(row, "created_by", "note") == (None, "of the team")


def queued(host, **params):
    return make_job(host=host, kind="build-images", params={"stack": "guide", **params})


def test_a_removal_stops_the_queued_jobs_that_nothing_else_permits(host):
    row = permit_source(f"{GIT}/vllm")
    permit_source("https://git.example/other")
    needs = queued(host, repository=f"{GIT}/vllm.git")
    queued(host, repository="https://git.example/other/vllm")
    queued(host)
    running = queued(host, repository=f"{GIT}/vllm")
    running.state = "running"
    running.save()

    assert sources.stopped_by_removal(row) == [needs]


def test_a_job_of_an_older_version_or_of_an_unknown_kind_is_checked_as_far_as_known(host):
    sources.of_job(make_job(host=host, kind="gone", params={"repository": "https://e.example"}))
    sources.of_job(make_job(host=host, kind="build-images", params={"gone": 1}))
    old = make_job(host=host, kind="build-images", params={"repository": "https://e.example/x"})
    with pytest.raises(sources.SourceRefused):
        sources.of_job(old)


def test_a_tag_is_refused_as_typed_once_the_host_has_no_registry(host):
    permit_source("registry.example/ai_deliver", "image")
    job = queued(host, stack="current", tag="VVI-26.07")
    sources.of_job(job)

    host.facts = {**GUIDE_FACTS, "registry": ""}
    host.save()
    job.refresh_from_db()

    with pytest.raises(sources.SourceRefused, match=r"VVI-26\.07"):
        sources.of_job(job)


# Names of engines are resolved once; special addresses need an entry that names them.


def names(monkeypatch, *ips):
    """Let every name have these addresses; the list fills with names that were looked up."""
    looked_up = []

    def getaddrinfo(host, port, **_more):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ips]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "fd00:ec2::254"])
def test_a_name_does_not_permit_a_special_address(monkeypatch, ip):
    permit_source("http://engine.example:8197", "endpoint")
    names(monkeypatch, ip)

    with pytest.raises(LaunchError, match="has the address"):
        sources.engine_ips("http://engine.example:8197")


def test_an_entry_of_the_very_address_and_port_permits_a_name_of_it(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    names(monkeypatch, "127.0.0.1")
    permit_source("http://127.0.0.1:1", "endpoint")
    with pytest.raises(LaunchError, match=r"http://127\.0\.0\.1:8197"):
        sources.engine_ips("http://engine.example:8197")
    permit_source("http://127.0.0.1:8197", "endpoint")
    names(monkeypatch, "::1", "127.0.0.1")
    assert sources.engine_ips("http://engine.example:8197") == ("127.0.0.1",)


def test_an_address_of_no_machine_is_never_called(monkeypatch):
    permit_source("http://0.0.0.0:8197", "endpoint")
    names(monkeypatch, "0.0.0.0")

    with pytest.raises(LaunchError, match="no machine"):
        sources.engine_ips("http://0.0.0.0:8197")


def test_an_address_in_the_network_needs_no_entry_of_its_own(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    looked_up = names(monkeypatch, "192.0.2.7", "192.0.2.8")

    assert sources.engine_ips("http://engine.example:8197") == ("192.0.2.7", "192.0.2.8")
    assert looked_up == ["engine.example"]


def test_an_address_of_the_own_machine_is_special(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    ours = engine_addresses.ip_from("192.0.2.7")
    monkeypatch.setattr(engine_addresses, "_is_own", lambda ip: ip == ours)
    names(monkeypatch, "192.0.2.7")

    with pytest.raises(LaunchError, match="own machine"):
        sources.engine_ips("http://engine.example:8197")


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_a_name_that_no_resolver_takes_has_no_address(host):
    permit_source("https://engine.example", "endpoint")
    Source.objects.update(address=f"http://{host}:8000")

    with pytest.raises(OSError, match="no host name"):
        sources.engine_ips(f"http://{host}:8000")


@pytest.mark.parametrize("host", ["a..b", f"{'a' * 64}.example"])
def test_an_empty_or_long_label_is_refused_at_the_field(host):
    with pytest.raises(ValueError, match=host):
        clean("endpoint", f"http://{host}:8000")


def test_a_lookup_without_an_answer_ends_in_time(monkeypatch):
    permit_source("http://engine.example:8197", "endpoint")
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: end.wait(PATIENCE_S))
    monkeypatch.setattr(sources, "LOOKUP_S", 0.05)

    with pytest.raises(TimeoutError, match="no address of the name within"):
        sources.engine_ips("http://engine.example:8197")
    end.set()


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "1.2.3.0x4"])
@pytest.mark.parametrize("source_type", ["endpoint", "hub", "git"])
def test_a_number_that_resolvers_read_as_an_address_is_no_host(source_type, host):
    with pytest.raises(ValueError, match=host):
        clean(source_type, f"https://{host}")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://localhost:1", "http://169.254.169.254", "http://[::1]:1"]
)
def test_a_special_address_has_a_warning_and_others_have_none(url):
    assert sources.special_range(url)
    assert not sources.special_range("https://engine.example/a")
    assert not sources.special_range("http://192.0.2.1:8000")


@pytest.mark.parametrize("ip", ["127.0.0.1", "fd00:ec2::254", "100.100.100.200"])
def test_a_host_needs_an_entry_of_the_very_address_and_port(ip):
    deployment = make_deployment(
        host=make_host(type="vacc"), dashboard_url=str(engine_addresses.endpoint(ip, 8000))
    )
    assert deployment.url_to_call == ""

    permit_source(str(engine_addresses.endpoint(ip, 8001)), "endpoint")
    assert deployment.url_to_call == ""

    permit_source(deployment.dashboard_url, "endpoint")
    assert deployment.url_to_call == deployment.dashboard_url
