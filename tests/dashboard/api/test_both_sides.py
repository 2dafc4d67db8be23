"""Each read and action of the pages is an operation of the API, or has its reason not to be."""

import pytest

from dashboard.api.app import document
from tests.dashboard.security.rules import PAGES, cases

# Pages and what they do → operations.
BOTH = """
serving: list_deployments list_endpoints
people: list_people
person-change: change_person
token-list: list_tokens
gateway: list_gateway_use
token-change: change_token
token-revoke: revoke_token
job-list: list_jobs
job-detail: read_job job_log_steps
job-cancel: cancel_job
job-retry: retry_job
job-resume: resume_job
job-points: read_points follow_job
job-output: download_output
job-script: download_script
job-move: move_job
job-priority: set_priority
job-exclusive: set_exclusive
job-confirm: confirm_job
job-pin: pin_job
job-accuracy: read_accuracy
job-accuracy-table: read_job
job-probe: read_probe
pipeline: read_pipeline
pipeline-retry: retry_pipeline
pipeline-cancel: cancel_pipeline
matrix-list: list_matrices
matrix-detail: read_matrix download_runs
matrix-compare: read_matrices_report
matrix-rename: rename_matrix
matrix-resume: resume_matrix
matrix-cancel: cancel_matrix
matrix-cell-run: repeat_cell
launch: list_job_types
launch-form: read_job_type launch_job
launch-preview: preview_job
launch-check: preview_job
launch-findings: preview_job
launch-script: preview_job
launch-matrix: launch_matrix preview
launch-matrix-script: preview
model-pipeline: launch_pipeline preview_pipeline
model-pipeline-check: preview_pipeline
host-list: list_hosts
host-detail: read_host
host-queue: read_queue
host-add: add_host
host-arrival: read_host_arrival
host-new-key: replace_host_key
host-revoke-key: revoke_host_key
host-launchers: set_host_launchers
host-drain: drain_host
host-slots: change_host
host-forget-dies: forget_host_problems
host-forget-refusals: forget_host_problems
host-mark-lost: mark_host_lost
model-list: list_models
model-detail: read_model
model-yaml: download_model
model-add: draft_model add_model
model-add-yaml: add_model
model-edit: change_model
model-edit-yaml: change_model
model-delete: delete_model
model-deleted: undo_model
model-discard: read_model_file delete_model_file
model-undo: undo_model
question-list: list_data_sets
question-file: download_questions
question-detail: get_data_set
question-add: add_question_set
question-edit: change_question_set
question-remove: remove_question_set
question-restore: restore_question_set
deployment-list: list_deployments
deployment-detail: read_deployment deployment_log_steps
deployment-metrics: read_deployment_metrics
deployment-stop: stop_deployment
deployment-restart: restart_deployment
endpoint-list: list_endpoints
endpoint-detail: read_endpoint
endpoint-add: add_endpoint
endpoint-edit: change_endpoint
endpoint-check: check_endpoint
endpoint-archive: archive_endpoint restore_endpoint
result-list: list_results
result-detail: read_result list_notes list_sign_offs read_baseline
result-compare: read_comparison download_comparison
result-answers: list_answers
result-answer: read_answer
result-questions: save_result_questions
result-questions-file: read_result_questions
result-file: download_points
result-fleet: read_fleet
result-tradeoff: read_tradeoff
result-paired: read_paired
result-history: read_history download_history
result-point: read_result
result-requests: download_requests
result-tables: read_comparison_report
parity: read_parity state_parity read_candidates
report-result: read_result_report
report-comparison: read_comparison_report
report-matrix: read_matrix_report
report-matrices: read_matrices_report
report-parity: read_parity_report
result-tag: tag_result
result-untag: untag_result
result-note: add_note
result-change-note: edit_note remove_note
result-sign-off: sign_off_result
result-withdraw: withdraw_sign_off
result-baseline: set_baseline remove_baseline
result-save-view: save_view list_views
result-change-view: change_view remove_view
import-upload: import_results
import-declare: declare_import
import-remove: remove_import
search: search_all
search-list: search_all
playground: list_conversations
playground-ask: start_conversation ask_question
side-by-side: read_conversation list_deployments list_endpoints
playground-turn: read_turn stop_turn
playground-request: read_turn_request
playground-question: save_question
playground-show: show_turn
conversation: read_conversation
conversation-rename: rename_conversation
conversation-export: read_conversation read_turn read_turn_request
conversation-benchmark: read_conversation add_prompt_set
conversation-delete: delete_conversation
conversation-share: share_conversation
conversation-import: import_conversation
share-list: list_shares
share: read_share
share-revoke: revoke_share
preset-list: list_presets read_preset
preset-texts: read_preset
preset-add: add_preset
preset-edit: change_preset
preset-remove: remove_preset
preset-restore: restore_preset
storage: read_storage
storage-remove: remove_job_files
audit: list_audit_entries
level-list: list_levels read_level
level-add: add_level
level-edit: change_level
level-remove: remove_level
level-restore: restore_level
level-hide: hide_level
prompt-list: list_prompt_sets
prompt-detail: read_prompt_set
prompt-add: add_prompt_set
prompt-remove: remove_prompt_set
prompt-restore: restore_prompt_set
source-list: list_sources
source-add: add_source
source-remove: remove_source
secret-list: list_secrets
secret-keep: set_secret
secret-delete: delete_secret
"""
# Pages that stay out.
ONLY_PAGES = {
    **dict.fromkeys(
        ("login", "logout", "password"), "a login is a browser's; programs have tokens"
    ),
    **dict.fromkeys(
        ("token-create", "person-add", "person-password"),
        "gives access that outlives a token: a person does it, logged in",
    ),
    **dict.fromkeys(
        ("set_language", "columns", "frame", "jsi18n", "playground-diagrams"), "how pages look"
    ),
    **dict.fromkeys(("docs", "docs-page", "docs-image"), "texts to read"),
    **dict.fromkeys(("api-root", "api-reference-file"), "the API's own pages"),
    **dict.fromkeys(("result-old", "result-old-part", "result-old-import"), "earlier addresses"),
    "overview": "lists of other operations beside each other",
    **dict.fromkeys(("client", "client-wheel"), "what pip reads, without a login"),
    "health": "an address for monitoring, without a login",
    "tour-start": "a guided tour of the pages; its jobs are launched by launch_job",
    "chain-dismiss": "hides a card of the overview",
    "result-run-more": "a button for several launch_job",
    "question-check": "checks a form while it is typed; add_question_set says the same",
    "question-findings": "checks a form while it is typed; add_question_set says the same",
    "prompt-file": "the prompts are in read_prompt_set",
    "parity-missing": "a form of launch_job, filled in",
    "import-preview": "import_results answers with what it read",
    "import-file": "the caller has the file that it uploaded",
    "audit-export": "list_audit_entries has pages of all entries",
    **{
        f"report-{kind}-words": "words are parameters of the report's operation"
        for kind in ("result", "comparison", "matrix", "matrices", "parity")
    },
}
# Operations without a page of their own.
ONLY_API = {
    "read_me": "the caller of a token",
    "read_gate": "a verdict for CI, of the numbers that pages compare",
    **{
        f"{kind}_log{part}": "what the viewer of a log reads"
        for kind in ("job", "deployment")
        for part in ("", "_lines", "_search", "_index", "_folds", "_polls")
    },
}


def both():
    lines = (line.partition(": ") for line in BOTH.strip().splitlines())
    return {page: names.split() for page, _colon, names in lines}


@pytest.fixture(scope="module")
def operations():
    ways = document()["paths"].values()
    return {one["operationId"] for way in ways for one in way.values()}


def test_each_page_has_its_operations_or_a_reason():
    assert sorted([*both(), *ONLY_PAGES]) == sorted(cases(PAGES))


def test_each_operation_belongs_to_a_page_or_has_a_reason(operations):
    named = {name for names in both().values() for name in names}

    assert named | ONLY_API.keys() == operations
    assert not named & ONLY_API.keys()
