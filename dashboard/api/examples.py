"""Examples of requests, by operation: the document has them, and the reference fills them in."""

from typing import Any

from dashboard.api.base import Json

# Of parameters in a path.
PATH: Json = {
    "conversation_id": 12,
    "deployment_id": 3,
    "endpoint_id": 2,
    "file": "our-model.yaml",
    "import_result_id": "res-16",
    "index": 1,
    "job_id": 17,
    "key": "mlperf-chat",
    "kind": "benchmark",
    "level_id": 14,
    "matrix_id": 4,
    "model_id": "deepseek-r1",
    "name": "this-computer",
    "note_id": 5,
    "output_id": 6,
    "preset_id": 16,
    "pipeline_id": "0f0c6f0e-8e0a-4f0c-9a59-6c1f5c1f1a01",
    "prompt_set_id": 7,
    "record_id": 17,
    "result_id": "res-15",
    "run_id": 8,
    "secret": "HF_TOKEN",
    "set_id": "basics",
    "share_key": "vQx3rJ0o0f3m2n5aWJt0kg",
    "sign_off_id": 9,
    "source_id": 10,
    "tag": "nightly",
    "token_id": 14,
    "turn_id": 13,
    "user_id": 15,
    "view_id": 11,
}
_JOB = {"kind": "prepare", "host": "this-computer", "params": {"what": "environment"}}
_QUESTION = {"engine": "endpoint:2", "prompt": "Why is the sky blue?", "max_tokens": 512}
_MATRIX = {
    "kind": "benchmark",
    "host": "this-computer",
    "params": {"deployment": 3},
    "input_tokens": [128, 1024],
    "output_tokens": [128],
    "concurrency": [1, 4],
}
_TWO_SUMS = '{"question": "2 + 3?", "answers": ["5"]}\n{"question": "2 + 2?", "answers": ["4"]}'
VERSION = "9f2c1a0e" * 8  # SHA-256 of a question set
_PIPELINE = {"model": "smollm2-135m-instruct", "pipeline": "vllm-cpu", "host": "this-computer"}
BODY: dict[str, Json] = {
    "add_endpoint": {
        "name": "H800",
        "url": "http://10.0.0.5:8000",
        "model": "DeepSeek-R1",
        "device": "8 × H800",
    },
    "add_host": {"name": "va16-02", "slots": 8},
    "add_level": {"name": "Chat", "limits": {"ttft_p90_ms": 450, "tpot_p90_ms": 40}},
    "add_model": {"yaml": "id: our-model\nname: Our model\nhub_id: team/our-model\n…"},
    "add_note": {"text": "Fans at full speed."},
    "add_preset": {"name": "Brief", "params": {"system": "Be brief.", "temperature": 0.2}},
    "add_prompt_set": {"name": "support", "text": '{"prompt": "Why is the sky blue?"}'},
    "add_question_set": {"id": "sums", "name": "Sums", "text": _TWO_SUMS},
    "add_source": {"type": "hub", "address": "https://hub.example.org"},
    "ask_question": _QUESTION,
    "change_token": {"requests_per_minute": 60, "token_budget": 1_000_000},
    "change_endpoint": {"device": "8 × H20"},
    "change_host": {"slots": 4},
    "change_person": {"role": "viewer"},
    "change_question_set": {"name": "Sums", "text": _TWO_SUMS, "onto": VERSION},
    "change_level": {"goodput_percent": 95},
    "change_model": {"yaml": "id: our-model\nname: Our model\nhub_id: team/our-model\n…"},
    "change_preset": {"params": {"system": "Be brief.", "max_tokens": 256}},
    "change_view": {"name": "Nightly runs"},
    "confirm_job": {"checks": ["shm"]},
    "declare_import": {"device": "8 × H800", "devices": 8, "precision": "fp8"},
    "drain_host": {"draining": True},
    "draft_model": {"like": "deepseek-r1"},
    "edit_note": {"text": "Fans at full speed, 24 °C."},
    "forget_host_problems": {"what": "dies"},
    "hide_level": {"hidden": True},
    "launch_job": _JOB,
    "launch_matrix": _MATRIX,
    "launch_pipeline": _PIPELINE,
    "move_job": {"to": "first"},
    "pin_job": {"pinned": True},
    "preview": _MATRIX,
    "preview_job": _JOB,
    "preview_pipeline": _PIPELINE,
    "rename_conversation": {"title": "Colours of the sky", "tags": ["release"]},
    "rename_matrix": {"title": "Release 1.2"},
    "repeat_cell": {"count": 1},
    "remove_job_files": {"job": 17},
    "save_question": {"set": "ours", "answers": ["scattering"]},
    "save_result_questions": {"id": "hard-ones", "show": "incorrect"},
    "save_view": {"name": "Nightly", "query": "tag=nightly"},
    "set_exclusive": {"exclusive": True},
    "set_host_launchers": {"people": ["root"]},
    "set_priority": {"priority": "low"},
    "set_secret": {
        "value": "hf_0123456789",
        "purpose": "hub",
        "endpoints": ["https://huggingface.co"],
    },
    "share_conversation": {"days": 7},
    "sign_off_result": {"purpose": "Offer to ACME"},
    "start_conversation": _QUESTION | {"temperature": 0.6, "system": "Be brief."},
    "state_parity": {"base_counts": "154/159,933/976", "counts": "155/159,929/976"},
    "tag_result": {"tags": ["nightly"]},
}
_SIDES = {"base": "res-15", "id": "res-16"}
QUERY: dict[str, Json] = {
    "list_answers": {"show": "incorrect,cut", "limit": 20},
    "read_answer": {"base": "res-16"},
    "search_all": {"q": "distill qwen"},
    "read_candidates": {"base": "res-15", "id": "res-16;res-17"},
    "download_comparison": {"id": ["res-15", "res-16"]},
    "read_comparison": {"id": ["res-15", "res-16"]},
    "read_gate": {**_SIDES, "max_loss": 3},
    "read_history": {"metric": "accuracy"},
    "read_comparison_report": {"id": ["res-15", "res-16"]},
    "read_job_type": {"host": "this-computer"},
    "read_matrices_report": {"id": [4, 5]},
    "read_matrix_report": {"id": 4},
    "read_parity": _SIDES,
    "read_parity_report": _SIDES,
    "read_result_report": {"id": "res-15"},
    "read_tradeoff": {"per": "card"},
}


def add_examples(document: Json) -> None:
    """Put the examples into an OpenAPI document."""
    for ways in document["paths"].values():
        for operation in ways.values():
            _add(operation, operation["operationId"])


def _add(operation: Json, name: str) -> None:
    known: dict[str, Any] = {"path": PATH, "query": QUERY.get(name, {})}
    for parameter in operation.get("parameters", ()):
        value = known.get(parameter["in"], {}).get(parameter["name"])
        if value is not None:
            parameter["example"] = value
    if name in BODY:
        operation["requestBody"]["content"]["application/json"]["example"] = BODY[name]
