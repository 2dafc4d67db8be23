"""The recipes for CI in the documentation run as they stand, with the client of a dashboard."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from tests.dashboard.lib.web_server import running_web
from tests.records import ROOT

pytestmark = pytest.mark.processes

PAGES = [ROOT / "docs" / "use" / name for name in ("client.md", "client.zh.md")]
RESULTS = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.comparing import OTHER
from tests.factories import make_evaluation, make_user
from tests.measuring import SERVE, make_measuring_host, measured, served
host = make_measuring_host()
for argv, rates in ((), (100, 100.1, 99.9)), (OTHER, (99.8, 99.9, 99.7)), (OTHER, (80, 81, 79)):
    deployment = served(host, argv or SERVE)
    print(",".join(f"res-{measured(deployment, points=((1, one),)).pk}" for one in rates))
for scores in [1] * 600, [1] * 600, [1] * 300 + [0] * 300, [1, 0]:
    print(f"res-{make_evaluation(scores).pk}")
for name, scope in ("gates", "read"), ("asks", "models"):
    ApiToken(user=make_user(), name=name, token_sha256=hashed(name), scope=scope).save()
"""


def recipes(page):
    """Return the recipes of a page by name."""
    found = re.findall(r"```yaml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    gitlab, github = map(yaml.safe_load, found)
    return {"gitlab": gitlab["gate"], "github": github["jobs"]["gate"]}


def scripts_of(recipe, values):
    """Return the recipe's scripts, one after the other, and its environment. ``values``: secrets
    and variables of the project."""
    if "script" in recipe:
        script = "\n".join(["set -eo pipefail", *recipe["script"]])
        return [script], values | recipe["variables"]

    def filled(text):
        return re.sub(r"\$\{\{ (?:secrets|vars)\.(\w+) \}\}", lambda name: values[name[1]], text)

    environ = {name: filled(value) for name, value in recipe["env"].items()}
    return [f"set -e\n{filled(step['run'])}" for step in recipe["steps"]], environ


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a recipe with changes of the values of its project; return the code of the first script
    that fails, and what it printed."""
    folder = tmp_path_factory.mktemp("recipes")
    place = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    with running_web(folder / "data") as server:
        base, same, slow, right, again, worse, few = server.shell(RESULTS)
        usual = {"VACC_URL": server.url, "VACC_TOKEN": "gates", "RESULT": same, "BASELINE": base}
        usual |= {"ACCURACY": again, "ACCURACY_BASELINE": right}
        known = {"slow": slow, "worse": worse, "few": few, "single": same.partition(",")[0]}

        def run(recipe, change):
            values = usual | {name: known.get(value, value) for name, value in change.items()}
            scripts, environ = scripts_of(recipe, values)
            environ |= {"HOME": str(folder), "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
            for script in scripts:
                command = ["bash", "-c", script]
                more = {"capture_output": True, "text": True, "cwd": folder}
                done = subprocess.run(command, env=environ, **more)
                if done.returncode:
                    break
            return done.returncode, done.stdout + done.stderr

        yield run


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"RESULT": "slow"}, 3),
        ({"RESULT": "single"}, 4),
        ({"ACCURACY": "worse"}, 3),
        ({"ACCURACY": "few"}, 4),
        ({"RESULT": "res-9999"}, 5),
        ({"VACC_TOKEN": "nobody"}, 5),
        ({"VACC_TOKEN": "asks"}, 5),
        ({"ACCURACY": ""}, 5),
    ],
)
@pytest.mark.parametrize("name", ["gitlab", "github"])
def test_a_recipe_ends_with_the_documented_code(name, change, code, run):
    found, text = run(recipes(PAGES[0])[name], change)

    assert found == code, text


def test_both_languages_have_the_same_recipes():
    english, chinese = map(recipes, PAGES)

    assert english == chinese
