"""Examples of requests, by operation: the document has them, and the reference fills them in."""

from typing import Any

from dashboard.api.base import Json

# Of parameters in a path.
PATH: Json = {
    "deployment_id": 3,
    "endpoint_id": 2,
    "import_result_id": "res-16",
    "job_id": 17,
    "kind": "benchmark",
    "matrix_id": 4,
    "name": "this-computer",
    "note_id": 5,
    "output_id": 6,
    "pipeline_id": "0f0c6f0e-8e0a-4f0c-9a59-6c1f5c1f1a01",
    "prompt_set_id": 7,
    "record_id": 17,
    "result_id": "res-15",
    "run_id": 8,
    "secret": "HF_TOKEN",
    "set_id": "basics",
    "sign_off_id": 9,
    "source_id": 10,
    "tag": "nightly",
    "view_id": 11,
}
_JOB = {"kind": "prepare", "host": "this-computer", "params": {"what": "environment"}}
_MATRIX = {
    "kind": "benchmark",
    "host": "this-computer",
    "params": {"deployment": 3},
    "input_tokens": [128, 1024],
    "output_tokens": [128],
    "concurrency": [1, 4],
}
BODY: dict[str, Json] = {
    "add_endpoint": {
        "name": "H800",
        "url": "http://10.0.0.5:8000",
        "model": "DeepSeek-R1",
        "device": "8 × H800",
    },
    "add_note": {"text": "Fans at full speed."},
    "add_prompt_set": {"name": "support", "text": '{"prompt": "Why is the sky blue?"}'},
    "add_source": {"type": "hub", "address": "https://hub.example.org"},
    "change_view": {"name": "Nightly runs"},
    "confirm_job": {"checks": ["shm"]},
    "declare_import": {"device": "8 × H800", "devices": 8, "precision": "fp8"},
    "edit_note": {"text": "Fans at full speed, 24 °C."},
    "launch_job": _JOB,
    "launch_matrix": _MATRIX,
    "move_job": {"to": "first"},
    "pin_job": {"pinned": True},
    "preview": _MATRIX,
    "preview_job": _JOB,
    "rename_matrix": {"title": "Release 1.2"},
    "repeat_cell": {"count": 1},
    "save_result_questions": {"id": "hard-ones", "show": "incorrect"},
    "save_view": {"name": "Nightly", "query": "tag=nightly"},
    "set_exclusive": {"exclusive": True},
    "set_priority": {"priority": "low"},
    "set_secret": {
        "value": "hf_0123456789",
        "purpose": "hub",
        "endpoints": ["https://huggingface.co"],
    },
    "sign_off_result": {"purpose": "Offer to ACME"},
    "state_parity": {"base_counts": "154/159,933/976", "counts": "155/159,929/976"},
    "tag_result": {"tags": ["nightly"]},
}
_SIDES = {"base": "res-15", "id": "res-16"}
QUERY: dict[str, Json] = {
    "read_candidates": {"base": "res-15", "id": "res-16;res-17"},
    "read_comparison_report": {"id": ["res-15", "res-16"]},
    "read_job_type": {"host": "this-computer"},
    "read_matrices_report": {"id": [4, 5]},
    "read_matrix_report": {"id": 4},
    "read_parity": _SIDES,
    "read_parity_report": _SIDES,
    "read_result_report": {"id": "res-15"},
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
