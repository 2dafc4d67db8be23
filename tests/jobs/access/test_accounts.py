"""Roles: one place has them, and an administrator is always left."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from jobs.access.accounts import LastAdministrator, role_of, set_active, set_role
from jobs.models import Account, ApiToken
from tests.factories import make_user
from tests.threads import together

Role = Account.Role


def reread(user):
    return User.objects.select_related("account").get(pk=user.pk)


@pytest.mark.parametrize(
    ("fields", "role"),
    [({}, "member"), ({"is_staff": True}, "admin"), ({"is_superuser": True}, "admin")],
)
def test_every_new_user_has_a_role(fields, role):
    assert reread(make_user(**fields)).account.role == role


def test_a_user_without_a_row_may_the_least():
    user = make_user()
    Account.objects.all().delete()

    assert role_of(reread(user)) == Role.VIEWER


@pytest.mark.parametrize("role", Role)
def test_staff_follows_the_role(role):
    make_user(is_staff=True)
    user = User.objects.create_superuser("ada")

    set_role(user, role)

    row = reread(user)
    is_admin = role == Role.ADMIN
    assert (row.account.role, row.is_staff, row.is_superuser) == (role, is_admin, is_admin)
    assert role_of(user) == role


def test_a_change_returns_the_former_role():
    user = make_user()

    assert set_role(user, Role.VIEWER) == Role.MEMBER
    assert set_role(user, Role.VIEWER) is None


@pytest.mark.postgresql
def test_the_last_administrator_cannot_be_lowered():
    last, _retired = make_user(is_staff=True), make_user(is_staff=True, is_active=False)

    with pytest.raises(LastAdministrator, match="is the last administrator"):
        set_role(last, Role.MEMBER)

    assert reread(last).account.role == Role.ADMIN


def test_the_last_administrator_cannot_be_deactivated():
    last, member = make_user(is_staff=True), make_user()

    with pytest.raises(LastAdministrator):
        set_active(last, active=False)

    assert reread(last).is_active
    assert set_active(member, active=False)


def test_one_of_two_administrators_can_be_lowered_and_deactivated():
    first, second = make_user(is_staff=True), make_user(is_staff=True)

    set_role(first, Role.VIEWER)
    assert set_active(first, active=False)
    assert not set_active(first, active=False)
    assert role_of(reread(second)) == Role.ADMIN


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_lower_each_other():
    people = [make_user(is_staff=True), make_user(is_staff=True)]

    def lowered(user):
        try:
            return set_role(User.objects.get(pk=user.pk), Role.MEMBER)
        except LastAdministrator:
            return "refused"

    results = together(*(lambda user=user: lowered(user) for user in people))

    assert sorted(results) == [Role.ADMIN, "refused"]
    assert Account.objects.filter(role=Role.ADMIN).count() == 1


def test_sessions_and_tokens_end_for_good_with_an_account(client):
    ada, eve = make_user("ada"), make_user("eve")
    for user in (ada, eve):
        ApiToken.objects.create(user=user, name="t", token_sha256=user.username)
    other = Client()
    client.force_login(ada)
    other.force_login(eve)

    assert set_active(ada, active=False)
    assert set_active(ada, active=True)

    assert client.get("/jobs/").status_code == 302
    assert other.get("/jobs/").status_code == 200
    assert [token.user for token in ApiToken.objects.all()] == [eve]
