"""First step of a job against an endpoint, as a process of its own."""

import json

import pytest

from jobs.tools.outputs.engine_about import read_file
from tests import hostile_server
from tests.hostile_server import hostile
from tests.jobs.lib.scripted_engine import MODEL, engine
from tests.jobs.lib.scripts import run_script

KEY = "sk-very-secret-0123456789"


def run(url, cwd, *options, model=MODEL, key="", **environ):
    argv = (url, "--served-model-name", model, "--to", "endpoint.json", *options)
    environ |= {"API_KEY": key} if key else {}
    return run_script("check_endpoint.py", *argv, cwd=cwd, **environ)


def test_the_key_may_be_in_another_variable(tmp_path):
    named = ("--key-variable", "REFERENCE_API_KEY")
    with engine(KEY) as running:
        done = run(running.url, tmp_path, *named, key="another", REFERENCE_API_KEY=KEY)

    assert done.returncode == 0


def test_it_keeps_what_the_engine_tells(tmp_path):
    with engine(KEY) as running:
        done = run(running.url, tmp_path, key=KEY)

    assert done.returncode == 0, done.stderr
    about = read_file((tmp_path / "endpoint.json").read_bytes(), MODEL)
    assert (about.engine, about.version, about.max_context) == ("vllm", "0.9.1", 32768)
    assert KEY not in done.stdout + done.stderr + (tmp_path / "endpoint.json").read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": ""}, "needs an API key"),
        ({"key": "wrong"}, "refuses the key"),
        ({"key": KEY, "model": "other"}, f"it serves {MODEL}, not other"),
    ],
)
def test_a_refused_key_or_model_ends_it_with_the_reason(tmp_path, options, words):
    with engine(KEY) as running:
        done = run(running.url, tmp_path, **options)

    assert done.returncode == 1
    assert words in done.stderr


def test_a_redirect_is_not_followed(tmp_path):
    with (
        hostile(hostile_server.no_http) as elsewhere,
        hostile(hostile_server.redirect(307, elsewhere.url)) as server,
    ):
        done = run(server.url, tmp_path, key=KEY)

    assert "a redirect, which is not followed" in done.stderr
    assert elsewhere.requests == []


def test_no_answer_ends_it_without_a_traceback(tmp_path):
    with engine() as running:
        pass

    done = run(running.url, tmp_path)

    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_proxy_of_the_host_is_not_used(tmp_path):
    with engine() as running, hostile(hostile_server.no_http) as proxy:
        done = run(running.url, tmp_path, http_proxy=proxy.url, HTTP_PROXY=proxy.url)

    assert done.returncode == 0
    assert proxy.requests == []


def test_a_list_of_something_else_is_no_list_of_models(tmp_path):
    with engine() as running:
        running.answers["/v1/models"] = (200, json.dumps({"data": ["m"]}))
        done = run(running.url, tmp_path)

    assert "it lists no models" in done.stderr
