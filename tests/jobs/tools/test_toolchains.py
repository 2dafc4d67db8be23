"""Command lines and environments."""

import re
from dataclasses import replace

import pytest

from jobs.base.errors import PlanError
from jobs.kinds.benchmark import LoadParams
from jobs.plans import fill
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib import environments
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import HttpLoad, Prompts
from jobs.tools.lib.site import site_of
from tests.jobs.lib.target import here

SITE = site_of(here().facts)


def test_with_a_folder_of_wheels_pip_asks_no_index():
    # Without one pip uses the host's settings.
    names = {name for name, _ in environments.pip_environment(SITE)}
    assert not {"PIP_INDEX_URL", "PIP_NO_INDEX", "PIP_FIND_LINKS"} & names
    site = replace(SITE, wheels_dir="/mnt/my wheels {1}")

    env = dict(environments.pip_environment(site))

    assert env["PIP_NO_INDEX"] == "1"
    # pip splits this variable at spaces
    assert env["PIP_FIND_LINKS"] == "file:///mnt/my%20wheels%20%7B1%7D"


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=list(ENVIRONMENTS))
def test_every_package_of_an_environment_is_pinned_once(environment):
    lines = environment.requirements.splitlines()

    assert all(re.match(r"^[A-Za-z0-9._-]+==[^\s;]+(; .+)?$", line) for line in lines)
    names = [line.split("==")[0] + line.partition(";")[2] for line in lines]
    assert len(set(names)) == len(names)


def test_an_environment_s_folder_says_version_and_list():
    path = ENVIRONMENTS["evalscope"].path(SITE)
    one = ENVIRONMENTS["llama.cpp"]
    other_list = replace(one, requirements=one.requirements + "more==1\n")
    other_hashes = replace(one, lock=one.lock.replace("--hash=sha256:", "--hash=sha256:0", 1))

    assert path.startswith("/data/a {b} host/environments/evalscope-1.14.1-")
    assert one.path(SITE) == other_hashes.path(SITE) != other_list.path(SITE)
    assert one.fingerprint == other_hashes.fingerprint != other_list.fingerprint


def test_an_environment_pins_what_it_is_for():
    broken = replace(ENVIRONMENTS["evalscope"], requirements="numpy==1\n")

    with pytest.raises(PlanError, match="does not pin evalscope"):
        _ = broken.version


def test_the_name_of_the_list_says_how_long_it_is():
    environment = replace(ENVIRONMENTS["llama.cpp"], lock="xllamacpp==1\nb==2\n")

    plan = environments.prepare_plan(environment, SITE)

    assert plan.files[0].name == "requirements-2.txt"
    assert "{job_dir}/files/requirements-2.txt" in plan.steps[1].argv


def test_a_host_without_a_python_path_uses_python_on_the_path():
    site = site_of({**here().facts, "python": None, "cpu": None})

    assert site.python_word == "python3"
    assert site.spare_threads == 1


def test_braces_in_a_host_s_folder_are_no_slots():
    plan = environments.prepare_plan(ENVIRONMENTS["llama.cpp"], SITE)

    create = fill(plan, {"job_dir": "/j"}).steps[0]
    assert create.argv[-1] == ENVIRONMENTS["llama.cpp"].path(SITE)


def planned(*, streamed=True, **raw):
    params = LoadParams(deployment="3", concurrency=(1, 8), requests=20, **raw)
    load = HttpLoad(params, Prompts(("a", "b"), longest=1), metrics=(), streamed=streamed)
    return evalscope.perf_plan(load, SITE)


def after(word, count=1, **changes):
    """Return the arguments after ``word`` of EvalScope's benchmark."""
    values = {"deployment.url": "http://x", "deployment.name": "m", "job_dir": "/j", "job": "17"}
    argv = fill(planned(**changes), values).steps[0].argv
    return argv[argv.index(word) + 1 :][:count]


def test_each_benchmark_level_gets_its_requests_seed_and_a_warm_up():
    assert after("--parallel", 5) == ("1", "8", "--number", "20", "20")
    assert after("--warmup-num") == ("8",)
    assert planned().files[-1].text == "a\nb\n"
    assert after("--seeds") == ("1=1701,8=1702",)
    assert after("--seeds", seed=7) == ("1=7,8=7",)


def test_bare_streams_are_passed_on_as_events():
    assert (after("--stream"), after("--stream", streamed=False)) == (("sse",), ("bare",))


def test_a_benchmark_measures_no_cache_and_cuts_no_answer_short():
    assert after("--extra-args") == ('{"ignore_eos": true, "cache_prompt": false}',)
    assert after("--headers") == ("Connection=close",)
