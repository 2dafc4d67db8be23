"""Greedy probe, as a process of its own, against scripted engines."""

import json

import pytest

from jobs.tools.greedy_probe import parser as probe
from tests import hostile_server
from tests.hostile_server import hostile
from tests.jobs.lib.scripted_engine import MODEL, engine
from tests.jobs.lib.scripts import run_script

SAME = ("The", " capital", " is", " in", " Paris", ".")
OTHER = ("The", " capital", " is", " in", " Lyon", ".")
ALL = {"cache_prompt", "logprobs", "top_logprobs", "seed"}
KEYS = ("sk-first-0123456789", "sk-second-0123456789")


def says(*words, logprob=-0.25, listed=True, other=("", -9.0)):
    """A completion of these tokens. ``other``: a second candidate at each place."""

    def entry(word):
        tops = [{"token": word, "logprob": logprob}, {"token": other[0], "logprob": other[1]}]
        return {"token": word, "logprob": logprob, "bytes": [*word.encode()], "top_logprobs": tops}

    choice = {"message": {"content": "".join(words)}, "finish_reason": "stop"}
    content = {"logprobs": {"content": [entry(word) for word in words]}} if listed else {}
    return 200, json.dumps({"choices": [{**choice, **content}]})


def run(urls, cwd, *, prompts=("one", "two"), again=1, keys=(), more=("--logprobs",)):
    (cwd / "prompts.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in prompts))
    named = dict(zip(("API_KEY", "REFERENCE_API_KEY"), keys, strict=False))
    argv = (
        *(*urls, "--served-model-name", MODEL, "--served-model-name", MODEL),
        *("--prompts", "prompts.jsonl", "--max-tokens", 16, "--again", again, *more),
        *("--to", "probe.jsonl"),
    )
    return run_script("greedy_probe.py", *argv, cwd=cwd, **named)


def found(cwd):
    return probe.parse("probe.jsonl", (cwd / "probe.jsonl").read_bytes())


def test_each_engine_gets_its_own_fields(tmp_path):
    asked = []

    def complete(body):
        asked.append(body.get("chat_template_kwargs"))
        return says(*SAME)

    bodies = [json.dumps({"chat_template_kwargs": {name: False}}) for name in ("a", "b")]
    with engine() as one, engine() as other:
        one.complete = other.complete = complete
        more = ("--body", bodies[0], "--body", bodies[1])
        done = run((one.url, other.url), tmp_path, prompts=("one",), again=0, more=more)

    assert done.returncode == 0, done.stderr
    assert asked == [{"a": False}, {"b": False}]


def test_equal_answers_are_equal_with_their_gaps(tmp_path):
    with engine() as one, engine() as other:
        one.complete = lambda asked: says(*SAME, logprob=-0.25)
        other.complete = lambda asked: says(*SAME, logprob=-0.75)
        done = run((one.url, other.url), tmp_path)

    assert done.returncode == 0, done.stderr
    result = found(tmp_path)
    assert (result.compared, result.equal) == (2, 2)
    assert result.gaps == pytest.approx([0.5] * 12)
    assert [result.repeats(side) for side in ("deployment", "reference")] == [(1, 1), (1, 1)]
    assert done.stdout.splitlines() == ["prompt 1/2: equal", "prompt 2/2: equal"]


def test_the_first_different_token_is_found_with_its_margin(tmp_path):
    with engine() as one, engine() as other:
        one.complete = lambda asked: says(*SAME, other=(" Lyon", -0.5))
        other.complete = lambda asked: says(*OTHER)
        done = run((one.url, other.url), tmp_path)

    assert "prompt 1/2: different from token 5" in done.stdout
    pair = found(tmp_path).pairs[0]
    assert (pair.token, pair.margins) == (5, (pytest.approx(0.25), None))
    assert pair.deployment.candidates == ((" Paris", -0.25), (" Lyon", -0.5))
    assert pair.common_length == len("The capital is in ")


def test_both_get_the_same_greedy_request_each_with_its_key(tmp_path):
    asked = {"one": [], "other": []}
    with engine(KEYS[0]) as one, engine(KEYS[1]) as other:
        one.complete = lambda body: asked["one"].append(body) or says(*SAME)
        other.complete = lambda body: asked["other"].append(body) or says(*SAME)
        done = run((one.url, other.url), tmp_path, keys=KEYS, again=0)

    assert done.returncode == 0, done.stderr
    assert asked["one"] == asked["other"]
    first = asked["one"][0]
    assert (first["temperature"], first["top_p"], first["max_tokens"]) == (0, 1, 16)
    assert first["messages"] == [{"role": "user", "content": "one"}]
    assert first.keys() >= ALL
    assert {key for _path, key in one.asked} == {f"Bearer {KEYS[0]}"}
    assert {key for _path, key in other.asked} == {f"Bearer {KEYS[1]}"}
    told = done.stdout + done.stderr + (tmp_path / "probe.jsonl").read_text()
    assert not any(key in told for key in KEYS)


def test_an_engine_that_refuses_logprobs_is_compared_by_text(tmp_path):
    tried = []

    def refuses(body):
        tried.append(ALL & body.keys())
        return (400, "{}") if "logprobs" in body else says(*OTHER, listed=False)

    with engine() as one, engine() as other:
        one.complete, other.complete = lambda asked: says(*SAME), refuses
        done = run((one.url, other.url), tmp_path, again=0)

    assert done.returncode == 0, done.stderr
    assert tried == [ALL, ALL - {"cache_prompt"}, {"seed"}, {"seed"}]
    pair = found(tmp_path).pairs[0]
    assert (pair.is_different, pair.token, pair.common_length) == (True, None, 18)
    assert not found(tmp_path).has_tokens


def test_an_engine_that_changes_its_answer_is_told(tmp_path):
    answers = iter([SAME, OTHER, SAME])
    with engine() as one, engine() as other:
        one.complete = lambda asked: says(*next(answers))
        other.complete = lambda asked: says(*SAME)
        run((one.url, other.url), tmp_path)

    assert found(tmp_path).repeats("deployment") == (0, 1)
    assert found(tmp_path).repeats("reference") == (1, 1)


def test_half_characters_are_written_as_bytes(tmp_path):
    entry = {"token": "\ufffd", "logprob": -1, "bytes": [0xE4, 0xBD]}
    body = {"message": {"content": "\ud83d"}, "logprobs": {"content": [entry]}}
    with engine() as one:
        one.complete = lambda asked: (200, json.dumps({"choices": [body]}))
        run((one.url, one.url), tmp_path)

    answer = found(tmp_path).pairs[0].deployment
    assert (answer.text, answer.tokens) == ("?", (("<E4><BD>", -1.0),))


USELESS = {
    "html": (200, "<html>Bad gateway</html>", "no chat completion"),
    "deep": (200, "[" * 100_000, "no chat completion"),
    "empty": (200, '{"choices": []}', "no chat completion"),
    "number": (200, '{"choices": [{"message": {"content": 7}}]}', "no text"),
    "long": (200, json.dumps({"choices": [{"message": {"content": "x" * 70_000}}]}), "65536 char"),
    "endless": (200, "x" * (4 * 1024 * 1024 + 1), "longer than 4194304 bytes"),
    "key": (401, "{}", "it needs a key"),
    "busy": (503, "{}", "HTTP 503"),
}


def answered(tmp_path, answers):
    """Return a probe of the prompts ``answers``, which the second engine answers so."""
    with engine() as one, engine() as other:
        one.complete = lambda asked: says(*SAME)
        other.complete = lambda asked: answers[asked["messages"][0]["content"]]
        done = run((one.url, other.url), tmp_path, prompts=tuple(answers))
    assert done.returncode == 0, done.stderr
    return done, found(tmp_path)


def test_a_useless_answer_is_an_error_of_its_prompt(tmp_path):
    answers = {}
    for name, (status, body, _reason) in USELESS.items():
        answers |= {name: (status, body), f"after {name}": says(*SAME)}

    done, result = answered(tmp_path, answers)

    assert (result.compared, result.failed) == (len(USELESS), len(USELESS))
    for pair, (_status, _body, reason) in zip(result.pairs[::2], USELESS.values(), strict=True):
        assert reason in pair.reference.error
        assert reason in done.stdout


ODD = (
    {"content": [{"token": "a", "logprob": 10**400, "top_logprobs": "x"}]},
    {"content": [{"token": "a", "logprob": float("nan"), "bytes": ["x"]}]},
    {"content": [{"token": "a", "bytes": [999]}]},
    {"content": [7]},
    {"content": [{"token": "a"}] * 100},
    [1],
)


def test_odd_logprobs_do_not_end_the_probe(tmp_path):
    choices = [{"message": {"content": "b"}, "logprobs": odd} for odd in ODD]
    answers = {str(n): (200, json.dumps({"choices": [one]})) for n, one in enumerate(choices)}

    _done, result = answered(tmp_path, answers)

    assert (result.different, result.gaps) == (len(ODD), ())


def test_a_redirect_gets_neither_key_nor_prompt(tmp_path):
    with (
        engine(KEYS[0]) as one,
        hostile(hostile_server.no_http) as elsewhere,
        hostile(hostile_server.redirect(307, elsewhere.url)) as server,
    ):
        one.complete = lambda asked: says(*SAME)
        done = run((one.url, server.url), tmp_path, keys=KEYS)

    assert done.returncode == 1
    assert "no prompt has answers of both engines" in done.stderr
    assert "a redirect, which is not followed" in done.stdout
    assert elsewhere.requests == []


def test_an_engine_that_stays_silent_ends_the_probe(tmp_path):
    with engine() as one, engine() as other:
        one.complete = lambda asked: says(*SAME)
        other.complete = lambda asked: (503, "{}")
        done = run((one.url, other.url), tmp_path, prompts="abcdefgh")

    assert done.returncode == 1
    assert "the reference did not answer 5 prompts in a row" in done.stderr
    assert len(found(tmp_path).pairs) == 5


def test_an_interrupted_probe_continues(tmp_path):
    with engine() as one:
        one.complete = lambda asked: says(*SAME)
        run((one.url, one.url), tmp_path, prompts=("one", "two"), again=0)
        before = len(one.asked)
        with (tmp_path / "probe.jsonl").open("a") as file:
            file.write('{"index": 2, "prom')
        run((one.url, one.url), tmp_path, prompts=("one", "new", "three"), again=0)

    assert len(one.asked) - before == 4
    assert [pair.prompt for pair in found(tmp_path).pairs] == ["one", "new", "three"]
