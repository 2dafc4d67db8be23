"""Rules of every call: one line an address and its methods. They are declared here only.

A line is ``name METHODS rule``, then what a request of it needs: ``@kept`` for another job than the
usual one, and a body, JSON for the API and a form for pages. A method without a line is refused
with 405. Rules:

- ``anyone``: strangers too.
- ``viewer``, ``member``, ``admin``: this role and those above.
- ``mine``: whose object it is, viewers too, and nobody else.
- ``mine-member``: whose object it is while they are a member, and nobody else.
- ``own``: whose object it is, viewers too, and admins.
- ``owner``: whose object it is while they are a member, and admins.
- ``own-hidden``, ``mine-hidden``: to others the object does not exist (404).
- ``mine-shown``, ``mine-member-shown``: as ``mine`` and ``mine-member``; admins read the object,
  to others it does not exist.
- ``person-hidden``: whose object it is, and admins; to others it does not exist. Of tokens only
  those of the scope admin.
- ``person``: everyone who is logged in. Of tokens only those of the scope admin, as for ``mine``.
- ``member-person``, ``owner-person``: as ``member`` and ``owner``. Of tokens only those of the
  scope admin.
- ``host``: a host by its key. People get 401.
"""

import re
from dataclasses import dataclass

PAGES = """
overview GET viewer
tour-start POST member
chain-dismiss POST viewer
serving GET viewer
frame GET viewer
login GET,POST,PUT anyone
logout POST viewer
set_language GET,POST,PUT,PATCH,DELETE anyone
jsi18n GET anyone
health GET anyone
client GET anyone
client-wheel GET anyone
password GET,POST,PUT viewer
people GET admin
person-add POST admin
person-password GET,POST admin
person-change GET,POST admin set=viewer
token-list GET viewer
gateway GET viewer
token-create POST viewer name=mine&scope=read
token-change GET,POST own-hidden days=
token-revoke GET,POST own-hidden
columns POST viewer
job-list GET viewer
job-detail GET viewer
job-cancel GET,POST owner
job-retry POST member
job-resume POST member
job-points GET viewer
job-output GET viewer
job-script GET viewer
job-move POST owner to=first
job-priority POST owner priority=low
job-priority POST admin priority=urgent
job-exclusive POST owner exclusive=1
job-confirm POST owner
job-pin POST member pinned=1
job-pin POST owner @kept pinned=0
job-accuracy GET viewer
job-accuracy-table GET viewer
job-probe GET viewer
pipeline GET viewer
pipeline-retry POST member
pipeline-cancel GET,POST owner
matrix-list GET viewer
matrix-detail GET viewer
matrix-compare GET viewer
matrix-rename POST owner
matrix-resume POST member
matrix-cancel GET,POST owner
matrix-cell-run POST member
launch-matrix GET,POST member
launch-matrix-script GET member
launch-check POST member
launch-findings GET member
launch GET member
launch-form GET,POST member
launch-preview POST member
launch-script GET member
host-list GET viewer
host-add GET,POST admin
host-new-key GET,POST admin
host-revoke-key GET,POST admin
host-arrival GET viewer
host-queue GET viewer
host-launchers GET,POST admin
host-detail GET viewer
host-drain GET,POST admin
host-slots POST admin
host-forget-dies POST admin
host-forget-refusals POST admin
host-mark-lost GET,POST admin
model-pipeline GET,POST member
model-pipeline-check POST member
model-add GET,POST admin
model-add-yaml GET,POST admin
model-discard GET,POST admin
model-edit GET,POST admin
model-edit-yaml GET,POST admin
model-yaml GET viewer
model-delete GET,POST admin
model-deleted GET admin
model-undo POST admin
model-list GET viewer
model-detail GET viewer
question-list GET viewer
question-detail GET viewer
question-file GET viewer
question-check POST member
question-findings GET member
question-add GET,POST member
question-edit GET,POST member
question-remove GET,POST member
question-restore POST member
deployment-list GET viewer
deployment-detail GET viewer
deployment-metrics GET viewer
deployment-stop GET,POST owner
deployment-restart GET,POST owner
endpoint-list GET viewer
endpoint-add GET,POST member
endpoint-detail GET viewer
endpoint-edit GET,POST owner
endpoint-check POST member
endpoint-archive GET,POST owner
result-list GET viewer
result-compare GET viewer
result-run-more POST member
result-detail GET viewer
result-answer GET viewer
result-answers GET viewer
result-questions GET,POST member id=mine
result-questions-file GET viewer
result-file GET viewer
result-fleet GET viewer
result-tradeoff GET viewer
result-paired GET viewer
result-history GET viewer
result-point GET viewer
result-requests GET viewer
result-tables GET viewer
parity GET,POST viewer
parity-missing GET,POST member id=mine
report-result GET viewer
report-comparison GET viewer
report-matrix GET viewer
report-matrices GET viewer
report-parity GET viewer
report-result-words GET,POST viewer
report-comparison-words GET,POST viewer
report-matrix-words GET,POST viewer
report-matrices-words GET,POST viewer
report-parity-words GET,POST viewer
result-tag POST member tags=new
result-untag POST owner name=owned
result-note POST member text=seen
result-change-note POST owner text=changed
result-sign-off POST member purpose=ACME
result-withdraw POST owner
result-baseline POST member set=1
result-save-view POST member name=mine
result-change-view POST owner name=other
import-upload GET,POST member
import-preview GET,POST member
import-file GET viewer
import-declare GET,POST member
import-remove GET,POST owner
result-old GET viewer
result-old-part GET viewer
result-old-import GET viewer
search GET viewer
search-list GET viewer
playground GET viewer
playground-ask POST viewer
side-by-side GET viewer
playground-turn GET own
playground-request GET own
playground-diagrams GET viewer
playground-question GET,POST mine-member set=ours&answers=blue
playground-show POST mine
conversation GET own
conversation-rename POST mine title=other
conversation-export GET own
conversation-benchmark POST mine-member name=own
conversation-delete GET,POST mine
conversation-share GET,POST mine days=7
conversation-import GET,POST viewer
share-list GET viewer
share GET viewer
share-revoke POST mine
preset-list GET viewer
preset-texts GET viewer
preset-add GET,POST member
preset-edit GET,POST owner
preset-remove POST owner
preset-restore POST owner
storage GET admin
storage-remove GET,POST admin
audit GET admin
audit-export GET admin
docs GET viewer
docs-image GET viewer
docs-page GET viewer
level-list GET viewer
level-add GET,POST member
level-edit GET,POST owner
level-remove POST owner
level-restore POST owner
level-hide POST admin
prompt-list GET viewer
prompt-add GET,POST member
prompt-detail GET viewer
prompt-file GET viewer
prompt-remove POST owner
prompt-restore POST owner
source-list GET viewer
source-add POST admin
source-remove GET,POST admin
secret-list GET admin
secret-keep POST admin
secret-delete GET,POST admin
api-root GET viewer
api-reference-file GET viewer
"""
API = """
api-openapi GET viewer
api-me GET viewer
api-jobs GET viewer
api-jobs POST member {"kind": "prepare", "host": "far"}
api-preview POST member {"kind": "prepare", "host": "far"}
api-job GET viewer
api-job-cancel POST owner
api-job-confirm POST owner {}
api-job-retry POST member
api-job-resume POST member
api-job-move POST owner {"to": "first"}
api-job-priority POST owner {"priority": "low"}
api-job-priority POST admin {"priority": "urgent"}
api-job-exclusive POST owner {"exclusive": true}
api-job-pin POST member {"pinned": true}
api-job-pin POST owner @kept {"pinned": false}
api-job-probe GET viewer
api-job-types GET viewer
api-job-type GET viewer
api-job-events GET viewer
api-job-output GET viewer
api-job-points GET viewer
api-job-accuracy GET viewer
api-search GET viewer
api-job-script GET viewer
api-job-log GET viewer
api-job-log-lines GET viewer
api-job-log-search GET viewer
api-job-log-index GET viewer
api-job-log-folds GET viewer
api-job-log-polls GET viewer
api-job-log-steps GET viewer
api-deployments GET viewer
api-deployment GET viewer
api-deployment-metrics GET viewer
api-deployment-stop POST owner
api-deployment-restart POST owner
api-deployment-log GET viewer
api-deployment-log-lines GET viewer
api-deployment-log-search GET viewer
api-deployment-log-index GET viewer
api-deployment-log-folds GET viewer
api-deployment-log-polls GET viewer
api-deployment-log-steps GET viewer
api-endpoints GET viewer
api-endpoints POST member {"name": "other", "url": "http://127.0.0.1:9"}
api-endpoint GET viewer
api-endpoint PATCH owner {"device": "8 × H20"}
api-endpoint-archive POST owner
api-endpoint-restore POST owner
api-endpoint-check POST member
api-prompts GET viewer
api-prompts POST member {"name": "other", "text": "{\"prompt\": \"Why?\"}"}
api-prompt-set GET viewer
api-prompt-set DELETE owner
api-prompt-set-restore POST owner
api-results GET viewer
api-result GET viewer
api-result-points GET viewer
api-result-requests GET viewer
api-result-tags POST member {"tags": ["new"]}
api-result-tag DELETE owner
api-result-notes GET viewer
api-result-notes POST member {"text": "seen"}
api-result-note PATCH owner {"text": "changed"}
api-result-note DELETE owner
api-result-sign-offs GET viewer
api-result-sign-offs POST member {"purpose": "ACME"}
api-result-withdraw POST owner
api-result-baseline GET viewer
api-result-baseline PUT,DELETE member
api-result-views GET viewer
api-result-views POST member {"name": "mine"}
api-result-view PATCH owner {"name": "other"}
api-result-view DELETE owner
api-fleet GET viewer
api-imports POST member
api-import DELETE owner
api-import-declared PATCH member
api-hosts GET viewer
api-hosts POST admin {"name": "va16-02"}
api-host GET viewer
api-host PATCH admin {"slots": 4}
api-host-arrival GET viewer
api-host-drain POST admin {"draining": true}
api-host-forget POST admin {"what": "dies"}
api-host-key POST,DELETE admin
api-host-launchers PUT admin {"people": null}
api-host-mark-lost POST admin
api-host-queue GET viewer
api-pipelines POST member {"model": "deepseek-r1", "pipeline": "pytorch", "host": "far"}
api-pipeline-preview POST member {"model": "deepseek-r1", "pipeline": "pytorch", "host": "far"}
api-pipeline GET viewer
api-pipeline-cancel POST owner
api-pipeline-retry POST member
api-levels GET viewer
api-levels POST member-person {"name": "other", "limits": {"ttft_p90_ms": 450}}
api-level GET viewer
api-level PATCH owner-person {"name": "other"}
api-level DELETE owner-person
api-level-restore POST owner-person
api-level-included PUT admin {"hidden": true}
api-models GET viewer
api-models POST admin {"yaml": "id: x"}
api-model GET viewer
api-model PUT admin {"yaml": "id: x"}
api-model DELETE admin
api-model-undo POST admin
api-model-yaml GET viewer
api-model-drafts POST admin {"like": "deepseek-r1"}
api-model-file GET,DELETE admin
api-matrices GET viewer
api-matrices POST member {"kind":"x","host":"far", "output_tokens": [8], "concurrency": [1]}
api-matrix-preview POST member {"kind":"x","host":"far", "output_tokens": [8], "concurrency": [1]}
api-matrix GET viewer
api-matrix PATCH owner {"title":"x"}
api-matrix-runs GET viewer
api-matrix-resume POST member
api-matrix-cancel POST owner
api-matrix-run POST member {}
api-report-result GET viewer
api-report-comparison GET viewer
api-report-matrix GET viewer
api-report-matrices GET viewer
api-report-parity GET viewer
api-parity GET viewer
api-gate GET viewer
api-comparison GET viewer
api-comparison-table GET viewer
api-result-history GET viewer
api-result-history-table GET viewer
api-tradeoff GET viewer
api-result-paired GET viewer
api-result-answers GET viewer
api-result-answer GET viewer
api-parity-candidates GET viewer
api-parity POST viewer {"base_counts": "1/2", "counts": "1/2"}
api-questions GET viewer
api-question-file GET viewer
api-questions POST member {"id": "ours", "text": "1 + 1?"}
api-result-questions GET viewer
api-result-questions POST member {"id": "mine"}
api-question-set GET viewer
api-question-set PUT member {"text": "1 + 1?", "onto": ""}
api-question-set DELETE member
api-question-set-restore POST member
api-sources GET viewer
api-sources POST admin
api-source DELETE admin
api-secrets GET admin
api-secret PUT admin {"purpose": "hub"}
api-secret DELETE admin
api-audit GET admin
api-tokens GET person
api-gateway-use GET viewer
api-token PATCH person-hidden {"token_budget": 1000}
api-token DELETE person-hidden
api-people GET admin
api-person PATCH admin {"role": "viewer"}
api-storage GET admin
api-storage-remove POST admin {"job": 1}
api-presets GET viewer
api-presets POST member-person {"name": "other", "params": {"system": "Be brief."}}
api-preset GET viewer
api-preset PATCH owner-person {"name": "other"}
api-preset DELETE owner-person
api-preset-restore POST owner-person
api-conversations GET person
api-conversations POST person
api-conversation GET person-hidden
api-conversation PATCH mine-shown {"title": "other"}
api-conversation DELETE mine-shown
api-conversation-shares POST mine-shown {"days": 7}
api-conversation-import POST person
api-shares GET person
api-share GET person
api-share DELETE mine-hidden
api-turns POST mine-shown {"engine": "1", "prompt": "Why?", "max_tokens": 1, "retry": 0}
api-turn GET person-hidden
api-turn-request GET person-hidden
api-turn-stop POST mine-shown
api-turn-question POST mine-member-shown {"set": "ours", "answers": ["blue"]}
api-turn-show POST mine-shown
api-unknown GET,POST,PUT,PATCH,DELETE viewer
intake-heartbeat POST host
intake-claim-job POST host
intake-claim-deployment POST host
intake-check GET,POST host
intake-streams GET host
intake-append POST host
intake-append-output POST host
"""
# The last one is every other path: it is closed as unknown, to those who are logged in.
SOCKETS = {
    "ws/live/": "viewer",
    r"^ws/log/(?P<kind>job|deployment)/(?P<record_id>[0-9]{1,18})/$": "viewer",
    "": "viewer",
}
# Streams beside Django: verb → method, rule.
RELAY = {
    "start": ("POST", "mine-hidden"),
    "stream": ("GET", "mine-hidden"),
    "stop": ("POST", "mine-hidden"),
    "times": ("GET", "mine-hidden"),
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LINE = re.compile(r"(\S+) (\S+) (\S+)(?: @(\w+))?(?: (.+))?")


@dataclass(frozen=True)
class Case:
    """A request and its rule; "" for a method that the address does not have."""

    name: str
    method: str
    rule: str
    job: str = "job"
    body: str = ""


def cases(table: str) -> dict[str, list[Case]]:
    """Cases of each name, methods without a line included."""
    found: dict[str, list[Case]] = {}
    for line in table.strip().splitlines():
        match = _LINE.fullmatch(line)
        assert match, line
        name, methods, rule, job, body = match.groups()
        row = found.setdefault(name, [])
        row += [Case(name, each, rule, job or "job", body or "") for each in methods.split(",")]
    for name, row in found.items():
        row += [Case(name, each, "") for each in METHODS if each not in {c.method for c in row}]
    return found
