"""What a provider's claims give here, at each sign-in."""

import pytest

from accounts import services
from accounts.models import AuditEvent, Level, Membership, Project, Role, User, create_person
from accounts.oidc import people
from accounts.oidc.config import MATCHED, Identity, Rule, Rules
from accounts.oidc.rules import Granted, granted, values_of

MEMBER = "urn:mace:egi.eu:group:vo.ai4eosc.eu:role=member#aai.egi.eu"
MANAGER = "urn:mace:egi.eu:group:vo.ai4eosc.eu:role=manager#aai.egi.eu"
ENTITLEMENT = "eduperson_entitlement"
RULES = Rules(
    rules=(
        Rule(ENTITLEMENT, MEMBER, level="intermediate", project="ai4eosc"),
        Rule(ENTITLEMENT, MANAGER, level="advanced", project="ai4eosc", role="manager"),
        Rule(ENTITLEMENT, "urn:*:group:operators:*", operator=True),
        Rule("realm_access.roles", "admin", administrator=True),
    )
)
ISSUER = "https://login.example.org"


def claims(*entitlements: str, **more: object) -> dict[str, object]:
    return {"sub": "1", ENTITLEMENT: list(entitlements), **more}


# ── What fits ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("said", "level", "role"),
    [
        (claims(MEMBER), Level.INTERMEDIATE, Role.MEMBER),
        (claims(MEMBER, MANAGER), Level.ADVANCED, Role.MANAGER),
        (claims(MANAGER, MEMBER), Level.ADVANCED, Role.MANAGER),
        (claims("urn:mace:another"), Level.BASIC, None),
        ({"sub": "1"}, Level.BASIC, None),
        ({"sub": "1", ENTITLEMENT: MEMBER}, Level.INTERMEDIATE, Role.MEMBER),
        ({"sub": "1", ENTITLEMENT: {MEMBER: True}}, Level.BASIC, None),
        (claims(MEMBER.upper()), Level.BASIC, None),
        (claims(MEMBER + "\n"), Level.BASIC, None),
    ],
)
def test_the_highest_of_all_fitting_rules_counts(said, level, role):
    rights = granted(RULES, said)
    assert rights.level == level
    assert rights.roles == ({"ai4eosc": role} if role else {})


@pytest.mark.parametrize(
    ("value", "text", "fits"),
    [
        ("urn:*:group:operators:*", "urn:x:group:operators:role=a", True),
        ("urn:*:group:operators:*", "urn:x:group:operator:role=a", False),
        ("group[a]", "group[a]", True),
        ("group[a]", "groupa", False),
        ("a.b", "axb", False),
        ("*", "anything", True),
    ],
)
def test_only_a_star_stands_for_anything(value, text, fits):
    rules = Rules(MATCHED, (Rule("groups", value),))
    assert granted(rules, {"groups": [text]}).admitted is fits


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("https://example.org/groups", ["a", "b"]),
        ("realm_access.roles", ["admin"]),
        ("realm_access", []),
        ("vip", ["true"]),
        ("year", ["1843"]),
        ("nothing", []),
        ("mixed", ["a", "5"]),
    ],
)
def test_claims_are_found_by_their_name_or_a_path(name, values):
    said = {
        "https://example.org/groups": ["a", "b"],
        "realm_access": {"roles": ["admin"]},
        "vip": True,
        "year": 1843,
        "mixed": ["a", {"b": "c"}, None, 5],
    }
    assert list(values_of(said, name)) == values


def test_what_no_rule_speaks_of_is_left_alone():
    assert granted(Rules(), claims(MEMBER)) == Granted()
    assert granted(RULES, claims()).administrator is False
    assert granted(Rules(rules=(Rule("groups", "a", project="b"),)), {}).level is None


def test_who_fits_no_rule_is_admitted_only_where_everybody_is():
    assert granted(Rules("everybody", RULES.rules), claims()).admitted
    assert not granted(Rules("matched", RULES.rules), claims()).admitted
    assert granted(Rules("matched", RULES.rules), claims(MEMBER)).admitted


# ── What becomes of it ───────────────────────────────────────────────────────────────────────────
@pytest.fixture
def identity(db) -> Identity:
    identity = Identity("institute", "Institute", ISSUER, "serai", rules=RULES)
    people.ensure_projects(identity)
    return identity


@pytest.fixture
def signs_in(identity, ada):
    """Ada signs in with these entitlements."""

    def come(*entitlements: str, **more: object) -> User:
        ada.refresh_from_db()
        people.apply(ada, identity, granted(RULES, claims(*entitlements, **more)))
        ada.refresh_from_db()
        return ada

    return come


def role_of(user: User) -> str | None:
    return Project.objects.get(slug="ai4eosc").role_of(user)


def test_an_entitlement_gives_level_and_project_and_takes_both_again(signs_in, ada):
    assert (signs_in(MANAGER).level, role_of(ada)) == (Level.ADVANCED, Role.MANAGER)
    assert (signs_in(MEMBER).level, role_of(ada)) == (Level.INTERMEDIATE, Role.MEMBER)
    assert (signs_in().level, role_of(ada)) == (Level.BASIC, None)
    assert ada.personal_project.role_of(ada) == Role.MANAGER


def test_operators_and_administrators_come_and_go_with_their_claims(signs_in):
    create_person("grace", is_superuser=True)
    assert signs_in("urn:mace:group:operators:all").is_staff
    assert signs_in(realm_access={"roles": ["admin"]}).is_superuser
    assert not signs_in().is_superuser
    assert not signs_in().is_staff


def test_the_last_administrator_stays_one(signs_in, ada):
    User.objects.filter(pk=ada.pk).update(is_superuser=True)
    create_person("grace", is_superuser=True, is_active=False)
    assert signs_in().is_superuser


def test_what_a_manager_gave_by_hand_stays(signs_in, ada, eve):
    grace = create_person("grace", is_superuser=True)
    project = Project.objects.get(slug="ai4eosc")
    services.add_member(project, grace, ada, Role.VIEWER)
    assert (signs_in(MANAGER) and role_of(ada)) == Role.VIEWER
    assert (signs_in() and role_of(ada)) == Role.VIEWER


def test_a_role_changed_by_hand_is_by_hand_from_then_on(signs_in, ada):
    grace = create_person("grace", is_superuser=True)
    signs_in(MEMBER)
    services.change_role(Membership.objects.get(project__slug="ai4eosc", user=ada), grace, Role.VIEWER)
    assert (signs_in(MEMBER) and role_of(ada)) == Role.VIEWER
    assert (signs_in() and role_of(ada)) == Role.VIEWER


def test_the_rules_of_one_provider_take_nothing_that_anothers_gave(signs_in, ada):
    Membership.objects.create(project=Project.objects.get(slug="ai4eosc"), user=ada, given_by="https://another.example")
    assert (signs_in() and role_of(ada)) == Role.MEMBER


@pytest.mark.parametrize("how", ["archived", "personal"])
def test_rules_open_no_project_that_is_somebodys_own_or_archived(signs_in, ada, eve, how):
    project = Project.objects.get(slug="ai4eosc")
    if how == "archived":
        services.archive_project(project, create_person("grace", is_superuser=True))
    else:
        eve.personal_project.delete()
        Project.objects.filter(pk=project.pk).update(personal_of=eve)
    assert signs_in(MEMBER).level == Level.INTERMEDIATE
    assert role_of(ada) is None


def test_the_audit_says_what_the_rules_changed_and_nothing_where_they_did_not(signs_in, ada):
    User.objects.filter(pk=ada.pk).update(level=Level.BASIC)
    signs_in(MEMBER)
    signs_in(MEMBER)
    event = AuditEvent.objects.get(action="user.rules-applied")
    assert event.detail == {"by": "Institute", "level": Level.INTERMEDIATE, "projects": ["ai4eosc"]}
    added = AuditEvent.objects.get(action="member.added")
    assert added.project.slug == "ai4eosc"
    assert added.detail == {"user": "ada", "role": "member", "by": "Institute"}


def test_a_project_that_rules_name_is_there_before_a_stranger_takes_its_id(identity, ada):
    people.ensure_projects(identity)
    with pytest.raises(services.NotPossible):
        services.create_project(ada, "Mine", "ai4eosc")
    assert Project.objects.filter(slug="ai4eosc").count() == 1


# ── By a real provider ───────────────────────────────────────────────────────────────────────────
@pytest.mark.slow
@pytest.mark.django_db
class TestAtTheDoor:
    RULE = Rule(ENTITLEMENT, MEMBER, level="advanced", project="ai4eosc")

    def test_the_rules_apply_anew_at_each_sign_in(self, server, known, arrive):
        people.ensure_projects(known(self.RULE))
        server.next(people={"ada": {ENTITLEMENT: [MEMBER]}})
        arrive("ada")
        ada = User.objects.get()
        assert (ada.level, role_of(ada)) == (Level.ADVANCED, Role.MEMBER)
        server.next(people={"ada": {ENTITLEMENT: []}})
        arrive("ada")
        ada.refresh_from_db()
        assert (ada.level, role_of(ada)) == (Level.BASIC, None)

    def test_who_fits_no_rule_stays_outside_where_only_these_may_come(self, server, known, arrive):
        known(self.RULE, admit="matched")
        client, answer = arrive("eve")
        assert answer.status_code == 403
        assert "none of your groups or entitlements" in answer.content.decode()
        assert not User.objects.exists()
        assert "_auth_user_id" not in client.session

    def test_who_is_switched_off_gets_nothing_by_rules(self, server, known, arrive):
        known(self.RULE)
        server.next(people={"ada": {ENTITLEMENT: [MEMBER]}})
        arrive("ada")
        User.objects.update(is_active=False, level=Level.BASIC)
        arrive("ada")
        assert User.objects.get().level == Level.BASIC
