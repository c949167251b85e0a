"""People, their projects and capabilities, tokens, sign-in codes, the audit."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import (
    ApiToken,
    AuditEvent,
    Capability,
    Level,
    Membership,
    Project,
    Role,
    Scope,
    SigninCode,
    User,
    create_person,
    free_slug,
)

pytestmark = pytest.mark.django_db


# ── People and projects ─────────────────────────────────────────────────────────────────────────


def test_everybody_manages_a_project_of_their_own(ada):
    membership = Membership.objects.get(user=ada)
    assert membership.project == ada.personal_project
    assert membership.role == Role.MANAGER


@pytest.mark.parametrize(
    ("level", "allowed"),
    [
        (Level.BASIC, {"use"}),
        (Level.INTERMEDIATE, {"use", "train"}),
        (Level.ADVANCED, {"use", "train", "develop"}),
    ],
)
def test_each_level_holds_the_ones_below(level, allowed):
    assert User(level=level).capabilities == allowed


def test_operators_and_administrators_may_more():
    assert User(level=Level.BASIC, is_staff=True).capabilities == {"use", "operate"}
    assert User(level=Level.BASIC, is_superuser=True).capabilities == set(Capability)


def test_a_person_is_called_by_their_name_and_else_by_their_user_name(ada):
    assert str(ada) == "Ada"
    assert str(User(username="carl")) == "carl"


def test_project_ids_are_never_given_twice(ada):
    assert create_person("Ada!").personal_project.slug == "ada-2"
    assert free_slug("ada") == "ada-3"


@pytest.mark.parametrize("name", ["default", "Default"])
def test_no_project_takes_nomads_own_namespace(name):
    assert free_slug(name) == "default-2"


def test_a_name_without_a_letter_still_makes_a_project():
    assert free_slug("!!!") == "project"


def test_a_persons_own_project_comes_first(ada, bob):
    assert list(Project.objects.of(bob)) == [bob.personal_project, ada.personal_project]


def test_eve_is_in_no_project_but_her_own(ada, bob, eve):
    assert list(Project.objects.of(eve)) == [eve.personal_project]


def test_nobody_is_in_a_project_twice(ada, bob):
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(project=ada.personal_project, user=bob)


def test_a_person_whose_name_is_taken_leaves_nothing_behind(ada):
    with pytest.raises(IntegrityError), transaction.atomic():
        create_person("ada")
    assert Project.objects.count() == 1


# ── Tokens ──────────────────────────────────────────────────────────────────────────────────────


def test_a_token_is_found_by_its_value_which_is_kept_nowhere(ada):
    token, value = ApiToken.issue(ada, "laptop")
    assert ApiToken.objects.find(value) == token
    row = ApiToken.objects.filter(pk=token.pk).values().get()
    assert value not in str(row)


def test_leak_scanners_can_recognise_a_token(ada):
    assert ApiToken.issue(ada, "laptop")[1].startswith("serai_")


def test_a_token_that_ran_out_opens_nothing(ada):
    token, value = ApiToken.issue(ada, "laptop", lasts=timedelta(seconds=-1))
    assert ApiToken.objects.find(value) is None
    assert not token.is_valid


def test_a_token_of_somebody_switched_off_opens_nothing(ada):
    _token, value = ApiToken.issue(ada, "laptop")
    User.objects.update(is_active=False)
    assert ApiToken.objects.find(value) is None


def test_a_token_is_revoked_once(ada):
    token, value = ApiToken.issue(ada, "laptop")
    assert token.revoke()
    assert not token.revoke()
    assert ApiToken.objects.find(value) is None


def test_a_token_allows_what_it_is_for(ada):
    token, _value = ApiToken.issue(ada, "laptop", scopes=["read"])
    assert token.allows(Scope.READ)
    assert not token.allows(Scope.WRITE)


def test_a_token_for_nothing_allows_nothing(ada):
    token, _value = ApiToken.issue(ada, "laptop", scopes=[])
    assert not any(token.allows(scope) for scope in Scope)


def test_a_tokens_last_use_is_written_at_most_once_a_minute(ada):
    token, value = ApiToken.issue(ada, "laptop")
    ApiToken.objects.find(value)
    token.refresh_from_db()
    first = token.last_used
    ApiToken.objects.find(value)
    token.refresh_from_db()
    assert token.last_used == first
    ApiToken.objects.update(last_used=first - timedelta(minutes=2))
    ApiToken.objects.find(value)
    token.refresh_from_db()
    assert token.last_used >= first


# ── Sign-in codes ───────────────────────────────────────────────────────────────────────────────


def test_a_code_is_spent_once(ada):
    code = SigninCode.issue(ada)
    assert SigninCode.spend(code) == ada
    assert SigninCode.spend(code) is None


def test_a_code_ends_after_its_time(ada):
    code = SigninCode.issue(ada)
    SigninCode.objects.update(expires=timezone.now())
    assert SigninCode.spend(code) is None


@pytest.mark.parametrize("typed", ["", "  ", "0" * 20, "not a code"])
def test_what_is_no_code_opens_nothing(ada, typed):
    SigninCode.issue(ada)
    assert SigninCode.spend(typed) is None


def test_a_code_is_kept_only_as_its_digest(ada):
    code = SigninCode.issue(ada)
    assert code not in str(SigninCode.objects.values().get())


# ── Audit ───────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_knows_who_did_what_to_which_in_which_project(ada):
    project = ada.personal_project
    event = AuditEvent.record(ada, "project.renamed", project, name="Engine")
    assert (event.actor, event.project, event.object_type, event.object_id) == (
        ada,
        project,
        "project",
        str(project.pk),
    )
    assert event.detail == {"name": "Engine"}


def test_the_audit_outlives_the_person(ada, eve):
    AuditEvent.record(eve, "user.looked", ada)
    eve.delete()
    assert AuditEvent.objects.get(action="user.looked").actor is None
