"""Facts of a kind are in its file only."""

from pathlib import Path

import pytest

from dashboard.management.commands import allowed_programs
from jobs.base.errors import LaunchError
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.host.claim import programs
from jobs.kinds import KINDS
from jobs.kinds.lib.guide import plan_for
from jobs.readings import function_of
from jobs.tools.lib.environments import ENVIRONMENTS, PINS
from tests.jobs.lib.target import PARAMS, here
from tests.jobs.lib.vacc_target import VACC_PARAMS, vacc_host

ROOT = Path(__file__).parents[3]
PLANNED = [(*one, here) for one in PARAMS] + [(*one, vacc_host) for one in VACC_PARAMS]


def run_by(plan) -> set[str]:
    commands = [one for step in plan.steps for one in (step.argv, step.cleanup) if one]
    return {Path(argv[0]).name for argv in commands}


@pytest.mark.parametrize(
    ("kind", "raw", "host"), PLANNED, ids=[f"{one[0]}-{n}" for n, one in enumerate(PLANNED)]
)
def test_a_kind_names_every_program_that_it_runs(kind, raw, host):
    plan = KINDS[kind].plan(KINDS[kind].Params(**raw), host())

    assert run_by(plan) - set(KINDS[kind].programs) <= {Path(host().facts["python"]["path"]).name}


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.programs])
@pytest.mark.parametrize("stack", ["guide", "current"])
def test_so_it_does_for_the_commands_of_the_guide(name, stack):
    kind = KINDS[name]
    if "as_in_guide" not in kind.Params.model_fields:
        return
    try:
        made = plan_for(kind, stack=stack, as_in_guide=True, model="deepseek-r1", given={})
    except LaunchError:  # not of this stack, or not of this model
        return

    assert run_by(made.plan) <= set(kind.programs)


def test_what_hosts_permit_unasked_is_what_kinds_run():
    written = Path(programs.__file__).read_text()

    assert written == allowed_programs.text(), "run `manage.py allowed_programs`"


def test_each_failure_that_a_kind_corrects_is_known():
    ids = [name for kind in KINDS.values() for name in kind.mends]
    known = {name for name in ids if name in KNOWN_FAILURES or name.startswith("check:")}

    assert set(ids) == known
    assert len(ids) == len(set(ids))


def test_a_kind_follows_kinds_that_there_are():
    assert {name for kind in KINDS.values() for name in kind.offered_after} <= KINDS.keys()


def test_an_environment_is_its_list_and_nothing_else():
    assert set(ENVIRONMENTS) == {path.stem for path in PINS}
    for environment in ENVIRONMENTS.values():
        assert environment.version
        assert "#:" not in environment.requirements


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_names_its_readers(kind):
    assert callable(function_of(kind.reads))
    assert not kind.progress or callable(function_of(kind.progress))


def test_no_other_module_lists_kinds_one_by_one():
    """Three or more names of kinds in a file that is no kind's: a place that a new one may miss."""
    listed = {}
    for path in [*(ROOT / "jobs").rglob("*.py"), *(ROOT / "dashboard").rglob("*.py")]:
        inside = path.relative_to(ROOT).as_posix()
        own = ("jobs/kinds/", "jobs/migrations/", "jobs/tools/", "jobs/launch/pipelines")
        if inside.startswith(own):
            continue
        text = path.read_text()
        names = {name for name in KINDS if f'"{name}"' in text}
        if len(names - {"benchmark", "evaluate"}) > 2:
            listed[inside] = names

    # The tour is five jobs; forms propose the usual maker of an asset; previews, purposes and the
    # ladder of a model ask for families.
    assert set(listed) <= {
        *("jobs/launch/launch.py", "jobs/queries/jobs/job_page.py", "jobs/queries/catalogue.py"),
        *(
            "dashboard/pages/launch/front.py",
            "dashboard/pages/launch/launch_form.py",
            "dashboard/pages/jobs/groups.py",
            *("dashboard/pages/home.py", "dashboard/pages/models.py"),
        ),
    }, listed


def test_guidellm_stands_in_its_folder_its_kind_and_two_lists():
    """The recipe in CONTRIBUTING.md: nothing else in the program knows the tool.

    But for imports, which read files of tools that nothing here runs, and name them; and for the
    search of a limit, which drives three clients.
    """
    files = {
        path.relative_to(ROOT).as_posix()
        for folder in ("jobs", "dashboard", "templates", "static/js")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".txt", ".html", ".js", ".yaml")
        and "import" not in path.relative_to(ROOT).as_posix()
        and "guidellm" in path.read_text(encoding="utf-8").lower()
    }

    own = ("jobs/tools/guidellm/", "jobs/tools/limit/", "jobs/kinds/find_limit.py")
    assert {path for path in files if not path.startswith(own)} == {
        "jobs/kinds/benchmark_guidellm.py",
        "jobs/kinds/__init__.py",
        "jobs/host/claim/programs.py",  # written by `manage.py allowed_programs`
        "dashboard/text/result_messages.py",  # of imports
    }
