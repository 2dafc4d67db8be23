"""What an engine tells about itself."""

import json

import pytest

from jobs.tools.outputs.engine_about import EngineAbout, read, read_file

MODELS = {"data": [{"id": "m", "owned_by": "vllm", "max_model_len": 4096}, {"id": "n"}]}


def answers(**bodies):
    named = {f"/{name.replace('__', '/')}": body for name, body in bodies.items()}
    texts = {p: b if isinstance(b, str) else json.dumps(b) for p, b in named.items()}
    return {path: (200, text.encode()) for path, text in texts.items()}


def test_vllm_tells_models_version_context_and_counters():
    told = answers(
        v1__models=MODELS, version={"version": "0.9.1"}, metrics="# HELP a b\nvllm:x 1\n"
    )

    assert read(told, "m") == EngineAbout(("m", "n"), "vllm", "0.9.1", 4096, True)


def test_llama_cpp_tells_its_build_and_context_by_its_properties():
    props = {"build_info": "b5000-abc", "default_generation_settings": {"n_ctx": 2048}}
    told = answers(v1__models={"data": [{"id": "m"}]}, props=props)

    assert read(told, "m") == EngineAbout(("m",), "llama.cpp", "b5000-abc", 2048, False)


def test_without_a_chosen_model_the_only_one_counts():
    told = answers(v1__models={"data": [{"id": "m", "max_model_len": 8}]})

    assert read({**told, "/version": (500, b'{"version": "1"}')}).version == ""
    file = {path: [status, body.decode()] for path, (status, body) in told.items()}
    assert read_file(json.dumps(file).encode(), "m").max_context == read(told).max_context == 8
    assert read(answers(v1__models=MODELS)).max_context is None


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "{", "null", '"data"', '{"data": {}}', "[" * 100_000, "\ufffd"),
        '{"data": null}',
    ],
)
def test_an_answer_without_a_list_of_models_is_none(body):
    assert read(answers(v1__models=body), "m") is None


@pytest.mark.parametrize(
    ("entry", "version"),
    [
        ({"id": "m", "max_model_len": "many"}, {"version": 9}),
        ({"id": "m", "max_model_len": -1, "owned_by": ["vllm"]}, {"version": "9" * 100}),
        ({"id": "m", "max_model_len": True}, {"version": "a\nb"}),
        ({"id": "m", "max_model_len": 10**30}, ["0.9.1"]),
    ],
)
def test_values_of_another_type_or_length_are_left_out(entry, version):
    told = answers(v1__models={"data": [entry, {"id": 3}, "x"]}, version=version, props=[])

    assert read(told, "m") == EngineAbout(("m",))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"/v1/models": [200]}', b'{"a": "b"}'])
def test_another_file_is_none(content):
    assert read_file(content, "m") is None
