"""Addresses of all pages, by name."""

from jobs.kinds import KINDS
from jobs.queries.jobs.job_page import TOUR_KINDS

HOST, NEW_HOST, AWAY, SECRET = "this-computer", "va16-09", "va16-08", "HF_TOKEN"

# Addresses by name. Braces are filled with numbers of records, see tests/sample_data.py.
PAGES = {
    "overview": ["/"],
    "login": ["/login/"],
    "client": ["/client/"],
    "password": ["/account/password/"],
    "token-list": ["/account/tokens/"],
    "gateway": ["/gateway/", "/gateway/?days=30"],
    "token-change": ["/account/tokens/{token}/"],
    "token-revoke": ["/account/tokens/{token}/revoke/"],
    "people": ["/people/"],
    "person-password": ["/people/{person}/password/"],
    "person-change": [
        "/people/{colleague}/change/?set=admin",
        "/people/{colleague}/change/?set=off",
    ],
    "job-list": ["/jobs/", "/jobs/?state=failed", "/jobs/?kind=prepare"],
    "job-detail": [f"/jobs/{{{kind}}}/" for kind in sorted(TOUR_KINDS)],
    "job-cancel": ["/jobs/{evaluate}/cancel/"],
    "job-probe": ["/jobs/{greedy-probe}/probe/", "/jobs/{greedy-probe}/probe/?show=different"],
    "pipeline": ["/pipelines/{chain}/"],
    "pipeline-cancel": ["/pipelines/{chain}/cancel/"],
    "matrix-list": ["/matrices/"],
    "matrix-detail": ["/matrices/{matrix}/", "/matrices/{matrix}/?metric=ttft_p50_ms"],
    "matrix-compare": [
        "/matrices/compare/",
        "/matrices/compare/?matrix={matrix}&matrix={matrix2}",
    ],
    "matrix-cancel": ["/matrices/{matrix}/cancel/"],
    "launch-matrix": [
        "/launch/matrix/",
        "/launch/matrix/?workload=guide",
        "/launch/matrix/?workload=vendor&concurrency=x",
    ],
    "docs-page": ["/docs/reliability/", "/docs/run/settings/", "/docs/architecture/"],
    "launch-form": [
        *(f"/launch/{kind}/" for kind in KINDS),
        "/launch/benchmark/?from={benchmark}&requests=0",
    ],
    "host-list": ["/hosts/"],
    "host-detail": [f"/hosts/{HOST}/", f"/hosts/{NEW_HOST}/", f"/hosts/{AWAY}/"],
    "host-drain": [f"/hosts/{HOST}/drain/"],
    "host-mark-lost": [f"/hosts/{HOST}/mark-lost/", f"/hosts/{AWAY}/mark-lost/"],
    "host-add": ["/hosts/add_host/"],
    "host-new-key": [f"/hosts/{NEW_HOST}/key/"],
    "host-revoke-key": [f"/hosts/{NEW_HOST}/revoke/"],
    "host-launchers": [f"/hosts/{HOST}/launchers/"],
    "host-queue": [f"/hosts/{HOST}/queue/"],
    "secret-list": ["/secrets/", f"/secrets/?name={SECRET}"],
    "secret-delete": [f"/secrets/{SECRET}/delete/"],
    "level-list": ["/levels/", "/levels/?removed=1"],
    "level-add": ["/levels/add/"],
    "level-edit": ["/levels/{level}/"],
    "prompt-list": ["/prompts/", "/prompts/?removed=1"],
    "prompt-add": ["/prompts/add/"],
    "prompt-detail": ["/prompts/{prompts}/"],
    "source-list": ["/sources/", "/sources/?type=git&address=https://git.example/x"],
    "source-remove": ["/sources/{source}/remove/"],
    "storage": ["/storage/"],
    "audit": ["/audit/", "/audit/?q=nothing+of+the+kind"],
    "storage-remove": ["/storage/jobs/{benchmark}/remove/"],
    "question-list": ["/questions/"],
    "question-detail": ["/questions/mmlu/", "/questions/basics/"],
    "question-add": ["/questions/add/"],
    "model-list": ["/models/"],
    "model-detail": ["/models/smollm2-135m-instruct/"],
    "model-add": ["/models/add/"],
    "model-add-yaml": ["/models/add/yaml/"],
    "deployment-list": ["/deployments/"],
    "deployment-detail": ["/deployments/{deployment}/"],
    "deployment-stop": ["/deployments/{deployment}/stop/"],
    "deployment-restart": ["/deployments/{deployment}/restart/"],
    "endpoint-list": ["/endpoints/", "/endpoints/?all=1"],
    "endpoint-add": ["/endpoints/add/"],
    "endpoint-detail": ["/endpoints/{endpoint}/"],
    "endpoint-edit": ["/endpoints/{endpoint}/edit/"],
    "endpoint-archive": ["/endpoints/{endpoint}/archive/"],
    "result-list": [
        "/results/",
        "/results/?type=evaluation",
        "/results/?group=identity",
    ],
    "result-fleet": ["/results/fleet/"],
    "result-tradeoff": ["/results/tradeoff/"],
    "result-history": [
        "/results/res-{speed}/history/",
        "/results/res-{speed}/history/?metric=ttft_p50_ms&concurrency=1",
        "/results/res-{quality}/history/",
    ],
    "result-paired": ["/results/res-{quality}/paired/"],
    "result-point": ["/results/res-{speed}/points/1/"],
    "result-detail": ["/results/res-{speed}/", "/results/res-{quality}/"],
    "result-answers": [
        "/results/res-{quality}/answers/",
        "/results/res-{quality}/answers/?show=incorrect&show=cut&q=what&order=-tokens",
    ],
    "result-answer": ["/results/res-{quality}/answers/0/"],
    "result-questions": ["/results/res-{quality}/answers/questions/?show=incorrect"],
    "parity": [
        "/parity/",
        "/parity/?id=res-{quality}",
        "/parity/?base_counts=154/159,933/976&counts=155/159,929/976&sets=dev,test&margin=1",
    ],
    "result-tables": ["/results/tables/?id=res-{quality}"],
    "report-result-words": ["/reports/result/words/?id=res-{speed}"],
    "report-comparison-words": [
        "/reports/comparison/words/?id=res-{speed}&id=res-{speed2}&heading=Of+a+customer"
    ],
    "report-parity-words": ["/reports/parity/words/?base=res-{quality}&id=res-{quality}"],
    "report-matrix-words": ["/reports/matrix/words/?id={matrix}"],
    "report-matrices-words": ["/reports/matrices/words/?id={matrix}&id={matrix2}"],
    "result-compare": [
        "/results/compare/",
        "/results/compare/?id=res-{speed}&id=res-{speed2}",
        "/results/compare/?id=res-{quality}",
    ],
    "import-upload": ["/results/import/"],
    "search": ["/search/", "/search/?q=smol", "/search/?q=nothing+of+the+kind"],
    "playground": ["/playground/", "/playground/?deployment={deployment}"],
    "conversation": ["/playground/{conversation}/"],
    "playground-question": ["/playground/turns/{turn}/question/"],
    "side-by-side": [
        "/playground/side-by-side/",
        "/playground/side-by-side/?column=chat:{conversation}&column={deployment}",
    ],
    "preset-list": ["/playground/presets/", "/playground/presets/?removed=1"],
    "preset-add": ["/playground/presets/add/"],
    "preset-edit": ["/playground/presets/{preset}/"],
    "conversation-delete": ["/playground/{conversation}/delete/"],
    "conversation-share": ["/playground/{conversation}/share/"],
    "conversation-import": ["/playground/import/"],
    "share-list": ["/playground/shares/"],
}


ALL_PATHS = [path for paths in PAGES.values() for path in paths]


# Fragments of pages, files, forms' targets and redirects.
NO_PAGES = {
    *("columns", "logout", "person-add", "set_language", "jsi18n", "health", "client-wheel"),
    *("matrix-resume", "matrix-rename", "matrix-cell-run", "launch-matrix-script"),
    *("job-retry", "job-resume", "pipeline-retry", "job-points", "job-output", "job-script"),
    *("job-accuracy", "job-accuracy-table"),
    *("launch", "launch-preview", "launch-script", "tour-start", "frame"),
    *(
        "token-create",
        "host-slots",
        "host-forget-dies",
        "host-forget-refusals",
        "host-arrival",
        "secret-keep",
        "source-add",
        *("level-remove", "level-restore", "level-hide"),
        *("prompt-file", "prompt-remove", "prompt-restore"),
    ),
    *("launch-check", "launch-findings", "model-pipeline", "model-pipeline-check"),
    *("job-confirm", "job-move", "job-priority", "job-exclusive", "job-pin"),
    # Of models of one's own, which the tour has none of:
    # tests/dashboard/pages/models/test_model_edit.py.
    *("model-edit", "model-edit-yaml", "model-yaml", "model-delete", "model-deleted"),
    *("model-undo", "model-discard"),
    "result-questions-file",
    # Of sides with different questions, which the tour has none of:
    # tests/dashboard/pages/parity/test_missing_questions.py.
    "parity-missing",
    # Of a set of the team: tests/dashboard/pages/admin/test_question_pages.py.
    *("question-edit", "question-remove", "question-restore", "question-file"),
    *("question-check", "question-findings"),
    *("chain-dismiss", "serving", "search-list", "docs", "docs-image"),
    *("deployment-metrics", "endpoint-check", "result-file", "result-run-more"),
    "result-requests",
    *("report-result", "report-comparison", "report-matrix", "report-matrices", "report-parity"),
    *("result-tag", "result-untag", "result-note", "result-change-note", "result-baseline"),
    *("result-sign-off", "result-withdraw", "result-save-view", "result-change-view"),
    # Of an import, which the tour has none of: tests/dashboard/pages/results/test_imports.py.
    *("import-preview", "import-file", "import-remove", "import-declare"),
    *("result-old", "result-old-part", "result-old-import"),  # redirects
    "audit-export",
    *(
        "playground-ask",
        "playground-diagrams",
        "playground-turn",
        "playground-request",
        "playground-show",
        "conversation-rename",
        *("preset-remove", "preset-restore", "preset-texts"),
        "conversation-export",
        "conversation-benchmark",
        # Of a share, which the tour has none of: tests/dashboard/pages/serving/test_shares.py.
        *("share", "share-revoke"),
    ),
}
