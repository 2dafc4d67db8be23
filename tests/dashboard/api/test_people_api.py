"""Question and prompt sets, tokens, people and storage over the API."""

import pytest
from django.contrib.auth.models import User

from dashboard.security import permissions
from jobs.catalog import QUESTION_SETS
from jobs.models import Account, ApiToken, AuditEntry
from jobs.services.outputs import outputs_folder
from jobs.services.upkeep import retention
from tests.factories import make_job, stored
from tests.kept import ended

PASSWORD = "twelve-grey-stones"
ONE = '{"question": "2 + 3?", "answers": ["5", "five"]}'
TWO = '{"question": "9 > 8?", "choices": ["yes", "no"], "answers": ["A"]}'


def dids():
    return [entry.detail["did"] for entry in AuditEntry.objects.order_by("pk")]


def fields_of(answer):
    return answer.status_code, list(answer.json()["fields"])


# Question and prompt sets


@pytest.mark.usefixtures("question_folder")
def test_a_question_set_is_added_changed_removed_and_restored(lin):
    added = lin.post("questions", {"id": "ours", "name": "Ours", "text": ONE})
    first = added.json()
    assert (added.status_code, first["origin"], first["questions"]) == (201, "team", 1)

    body = {"name": "Theirs", "note": "sums", "text": f"{ONE}\n{TWO}", "onto": first["sha256"]}
    changed = lin.send("put", "questions/ours", body).json()
    assert (changed["name"], changed["about"], changed["questions"]) == ("Theirs", "sums", 2)
    assert lin.get("questions/ours").json() == changed
    assert [one.questions for one in QUESTION_SETS.of_team("ours").versions] == [1, 2]

    assert lin.send("delete", "questions/ours").json()["removed"] is True
    assert "ours" not in [one["id"] for one in lin.get("questions").json()["data_sets"]]
    assert lin.post("questions/ours/restore").json() == changed
    assert dids() == ["add", "change", "delete", "undo"]


@pytest.mark.usefixtures("question_folder")
def test_a_change_of_an_older_version_is_refused(lin):
    first = lin.post("questions", {"id": "ours", "text": ONE}).json()["sha256"]
    lin.send("put", "questions/ours", {"text": TWO, "onto": first})

    answer = lin.send("put", "questions/ours", {"text": ONE, "onto": first})

    assert answer.status_code == 422
    assert "Open the set again" in answer.json()["message"]
    assert len(QUESTION_SETS.of_team("ours").versions) == 2


@pytest.mark.usefixtures("question_folder")
def test_each_wrong_line_of_questions_is_named(lin):
    text = f'{ONE}\nnothing\n{{"question": "1 + 1?"}}'

    answer = lin.post("questions", {"id": "ours", "text": text})

    assert fields_of(answer) == (422, ["text"])
    first, second = answer.json()["fields"]["text"].split("\n")
    assert first.startswith("Line 2: Not JSON.")
    assert second.startswith("Line 3, answers: Missing.")
    assert QUESTION_SETS.of_team("ours") is None


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"id": "Ours"}, 422, "id"),
        ({"id": "mmlu"}, 422, "id"),
        ({"name": "n" * 61}, 422, "name"),
        ({"note": "n" * 501}, 422, "note"),
        ({"text": ""}, 422, "text"),
        ({"text": None}, 400, "text"),
        ({"onto": "9"}, 400, "onto"),
    ],
)
@pytest.mark.usefixtures("question_folder")
def test_a_wrong_field_of_a_question_set_is_named(lin, body, code, field):
    answer = lin.post("questions", {"id": "ours", "text": ONE} | body)

    assert fields_of(answer) == (code, [field])
    assert QUESTION_SETS.team() == []


@pytest.mark.usefixtures("question_folder")
def test_a_set_of_the_catalogue_is_not_changed(lin):
    change = {"text": ONE, "onto": ""}
    answers = [
        lin.send("put", "questions/mmlu", change),
        lin.send("delete", "questions/mmlu"),
        lin.post("questions/basics/restore"),
    ]

    assert [one.status_code for one in answers] == [404, 404, 404]


# Tokens


def test_a_token_is_listed_and_revoked(lin):
    listed = lin.get("tokens")
    assert [one["name"] for one in listed.json()["tokens"]] == ["t"]
    assert lin.token.token_sha256 not in listed.text

    assert lin.send("delete", f"tokens/{lin.token.pk}").json()["name"] == "t"
    assert lin.get("me").status_code == 401
    assert AuditEntry.objects.filter(action="token.delete").count() == 1


def test_a_token_gives_nobody_access(admin):
    for address in ("tokens", "people", f"people/{admin.user.pk}/password"):
        answer = admin.post(address, {"name": "eve", "password": PASSWORD})
        assert answer.status_code in (404, 405)
    assert (User.objects.count(), ApiToken.objects.count()) == (1, 1)


def test_only_administrators_see_and_revoke_tokens_of_others(admin, lin):
    assert lin.send("delete", f"tokens/{admin.token.pk}").status_code == 404
    assert [one["person"] for one in lin.get("tokens").json()["tokens"]] == ["lin"]
    assert {one["person"] for one in admin.get("tokens").json()["tokens"]} == {"root", "lin"}
    assert admin.send("delete", f"tokens/{lin.token.pk}").status_code == 200
    assert lin.get("me").status_code == 401


# People


def test_people_are_listed_without_passwords(admin, lin):
    listed = admin.get("people")

    assert [one["name"] for one in listed.json()["people"]] == ["lin", "root"]
    assert lin.user.password not in listed.text


def test_a_role_is_changed_and_an_account_closed_and_opened(admin, lin):
    address = f"people/{lin.user.pk}"

    assert admin.send("patch", address, {"role": "viewer"}).json()["role"] == "viewer"
    closed = admin.send("patch", address, {"role": "member", "active": False}).json()
    assert (closed["role"], closed["active"]) == ("member", False)
    assert lin.get("me").status_code == 401
    assert admin.send("patch", address, {"active": True}).json()["active"] is True
    assert lin.get("me").status_code == 401  # its tokens are gone
    changes = AuditEntry.objects.filter(action="user.manage").order_by("pk")
    assert [entry.detail["did"] for entry in changes] == ["viewer", "member", "off", "on"]


def test_an_administrator_does_not_change_their_own_account(admin):
    for body in ({"role": "member"}, {"active": False}):
        answer = admin.send("patch", f"people/{admin.user.pk}", body)
        assert answer.status_code == 422
        assert answer.json()["message"].startswith("You cannot change your own account here.")

    assert stored(admin.user, "is_staff", "is_active") == (True, True)


def test_the_last_administrator_stays(admin, lin, monkeypatch):
    Account.objects.filter(user=admin.user).update(role="member")
    Account.objects.filter(user=lin.user).update(role="admin")
    monkeypatch.setattr(permissions, "role_of", lambda user: Account.Role.ADMIN)

    answer = admin.send("patch", f"people/{lin.user.pk}", {"role": "member"})

    assert (answer.status_code, answer.json()["error"]) == (409, "last_administrator")
    assert Account.objects.get(user=lin.user).role == "admin"


@pytest.mark.parametrize(
    ("body", "field"), [({"role": "chief"}, "role"), ({"is_superuser": True}, "is_superuser")]
)
def test_a_wrong_field_of_a_person_is_named(admin, body, field):
    answer = admin.send("patch", f"people/{admin.user.pk}", body)

    assert fields_of(answer) == (400, [field])


# Storage


def test_storage_is_read_in_bytes(admin, settings):
    settings.RETENTION_AGE_S, settings.RETENTION_SIZE_BYTES = 90 * 86400, 10**9
    job = ended(files=1, created_by=admin.user)
    retention.measure_job(job.pk)

    shown = admin.get("storage").json()

    assert (shown["output_files_bytes"], shown["job_logs_bytes"] > 0) == (10, True)
    assert (shown["age_limit_s"], shown["size_limit_bytes"]) == (90 * 86400, 10**9)
    assert [one["job"] for one in shown["largest_jobs"]] == [job.pk]
    (coming,) = shown["next_removals"]
    assert (coming["type"], coming["id"], coming["why"]) == ("job", job.pk, "age")
    assert shown["disk_free_bytes"] < shown["disk_total_bytes"]


def test_the_files_of_an_ended_job_are_removed_once(admin):
    job = ended(files=1, created_by=admin.user)

    done = admin.post("storage/remove", {"job": job.pk})
    again = admin.post("storage/remove", {"job": job.pk})

    assert (done.status_code, done.json()["job"], done.json()["why"]) == (200, job.pk, "person")
    assert stored(job, "removed_at") is not None
    assert not outputs_folder(job.pk).exists()
    assert (again.status_code, again.json()["error"]) == (409, "not_removed")


def test_files_of_a_running_or_kept_job_are_not_removed(admin):
    running, kept = make_job(state="running"), ended(files=1)
    retention.pin(kept.pk, admin.user)

    answers = [admin.post("storage/remove", {"job": job.pk}) for job in (running, kept)]

    assert [one.status_code for one in answers] == [409, 409]
    assert "has not ended" in answers[0].json()["message"]
    assert "files are kept" in answers[1].json()["message"]
    assert stored(kept, "removed_at") is None
    for job in (10**9, True, "1", -1):
        assert fields_of(admin.post("storage/remove", {"job": job})) == (400, ["job"])
