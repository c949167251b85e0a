"""Shared projects: who may make them, who is in them, and that somebody is always in charge."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts import services
from accounts.models import AuditEvent, Level, Membership, Project, Role, create_person, free_slug
from accounts.services import NotPossible

pytestmark = pytest.mark.django_db


# ── Making and naming ───────────────────────────────────────────────────────────────────────────
def test_whoever_makes_a_project_manages_it(engine, ada):
    assert engine.role_of(ada) == Role.MANAGER
    assert not engine.is_personal


@pytest.mark.parametrize(("level", "may"), [(Level.BASIC, False), (Level.INTERMEDIATE, True), (Level.ADVANCED, True)])
def test_intermediate_people_and_up_start_projects(level, may):
    carl = create_person("carl", level=level)
    if may:
        assert services.create_project(carl, "Looms").slug == "looms"
    else:
        with pytest.raises(PermissionDenied, match="Ask an administrator"):
            services.create_project(carl, "Looms")


def test_an_id_that_is_taken_is_refused_in_words(engine, ada):
    with pytest.raises(NotPossible, match="Choose another"):
        services.create_project(ada, "Again", engine.slug)


@pytest.mark.parametrize("name", ["under_score", "_edge_", "ünï-cöde", "a" * 80, "…"])
def test_every_id_made_from_a_name_is_a_namespace_that_nomad_takes(name):
    assert set(free_slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert free_slug(name).strip("-") == free_slug(name)


def test_a_new_name_leaves_the_id(engine, ada):
    services.rename_project(engine, ada, "Difference Engine")
    engine.refresh_from_db()
    assert (engine.name, engine.slug) == ("Difference Engine", "engine")


# ── Who may ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "may"), [("ada", True), ("bob", False), ("vera", False), ("eve", False), ("grace", True)]
)
@pytest.mark.parametrize("action", ["rename", "add", "promote", "remove", "archive"])
def test_only_managers_and_administrators_change_a_project(engine, who, member, name, may, action):
    carl, actor = create_person("carl"), who(name)
    # Bob and Vera about each other: taking oneself out is another thing.
    about = member("vera" if name == "bob" else "bob")
    act = {
        "rename": lambda: services.rename_project(engine, actor, "Other"),
        "add": lambda: services.add_member(engine, actor, carl, Role.MEMBER),
        "promote": lambda: services.change_role(about, actor, Role.MANAGER),
        "remove": lambda: services.remove_member(about, actor),
        "archive": lambda: services.archive_project(engine, actor),
    }[action]
    before = AuditEvent.objects.count()
    if may:
        act()
        assert AuditEvent.objects.filter(project=engine, actor=actor).count() >= 1
    else:
        with pytest.raises(PermissionDenied):
            act()
        assert AuditEvent.objects.count() == before


def test_nobody_not_even_an_administrator_is_let_into_a_personal_project(ada, bob, grace):
    for actor, refusal in ((ada, NotPossible), (grace, PermissionDenied)):
        with pytest.raises(refusal):
            services.add_member(ada.personal_project, actor, bob, Role.VIEWER)


def test_a_personal_project_can_be_neither_left_nor_archived(ada):
    own = Membership.objects.get(project=ada.personal_project)
    with pytest.raises(NotPossible, match="personal"):
        services.remove_member(own, ada)
    with pytest.raises(NotPossible, match="personal"):
        services.archive_project(ada.personal_project, ada)


# ── Members ─────────────────────────────────────────────────────────────────────────────────────
def test_nobody_is_added_twice(engine, ada, bob):
    with pytest.raises(NotPossible, match="Bob is in this project already"):
        services.add_member(engine, ada, bob, Role.MANAGER)
    assert engine.role_of(bob) == Role.MEMBER


@pytest.mark.parametrize("name", ["bob", "vera"])
def test_members_and_viewers_leave_when_they_like(engine, who, member, name):
    services.remove_member(member(name), who(name))
    assert engine.role_of(who(name)) is None
    assert AuditEvent.objects.filter(action="member.left", actor=who(name), project=engine).exists()


def test_the_last_manager_stays_until_there_is_another(engine, ada, bob, member):
    for leave in (
        lambda: services.remove_member(member("ada"), ada),
        lambda: services.change_role(member("ada"), ada, Role.MEMBER),
    ):
        with pytest.raises(NotPossible, match="Make another member a manager first"):
            leave()
    services.change_role(member("bob"), ada, Role.MANAGER)
    services.remove_member(member("ada"), ada)
    assert engine.role_of(ada) is None


def test_a_manager_who_is_switched_off_is_in_charge_of_nothing(engine, ada, bob, member):
    services.change_role(member("bob"), ada, Role.MANAGER)
    bob.is_active = False
    bob.save()
    with pytest.raises(NotPossible):
        services.remove_member(member("ada"), ada)


def test_what_happened_meanwhile_counts_and_not_what_the_page_showed(engine, ada, bob, member):
    services.change_role(member("bob"), ada, Role.MANAGER)
    adas, bobs = member("ada"), member("bob")
    services.remove_member(bobs, bob)
    with pytest.raises(NotPossible):
        services.remove_member(adas, ada)


# ── Archived ────────────────────────────────────────────────────────────────────────────────────
def test_an_archived_project_is_seen_by_its_managers_and_by_administrators(engine, ada, who):
    services.archive_project(engine, ada)
    seen = {name for name in ("ada", "bob", "vera", "eve", "grace") if engine in Project.objects.visible_to(who(name))}
    assert seen == {"ada", "grace"}
    assert engine not in Project.objects.of(ada)


def test_an_archived_project_changes_only_by_being_opened_again(engine, ada, eve, member):
    services.archive_project(engine, ada)
    with pytest.raises(NotPossible, match="Open it again first"):
        services.add_member(engine, ada, eve, Role.VIEWER)
    for _ in range(2):
        services.restore_project(engine, ada)
    services.add_member(engine, ada, eve, Role.VIEWER)
    assert AuditEvent.objects.filter(action="project.restored").count() == 1


def test_members_do_not_open_an_archived_project_again(engine, ada, bob):
    services.archive_project(engine, ada)
    with pytest.raises(PermissionDenied):
        services.restore_project(engine, bob)


# ── What one may see ────────────────────────────────────────────────────────────────────────────
def test_my_projects_by_role(engine, who):
    working = (Role.MEMBER, Role.MANAGER)
    assert engine in Project.objects.of(who("vera"))
    assert engine not in Project.objects.of(who("vera"), *working)
    assert engine in Project.objects.of(who("bob"), *working)
    # That others only look there takes nothing from Ada.
    assert engine in Project.objects.of(who("ada"), *working)


@pytest.mark.parametrize(
    ("name", "sees"), [("ada", True), ("bob", False), ("vera", False), ("eve", False), ("grace", True)]
)
def test_the_audit_of_a_project_is_its_managers(engine, who, name, sees):
    created = AuditEvent.objects.get(action="project.created")
    assert (created in AuditEvent.objects.visible_to(who(name))) is sees


def test_everybody_sees_their_own_actions_once(engine, ada, bob, who, member):
    services.remove_member(member("bob"), bob)
    assert AuditEvent.objects.visible_to(bob).filter(action="member.left").count() == 1
    assert AuditEvent.objects.visible_to(ada).filter(action="member.left").count() == 1


def test_the_audit_is_narrowed_by_actor_project_and_object(engine, ada):
    def narrowed(**by: str) -> set[str]:
        return {event.action for event in AuditEvent.objects.narrowed(**by)}

    assert narrowed(actor="ada", project="engine") == {"project.created", "member.added"}
    assert narrowed(actor="bob") == {"user.created"}
    assert narrowed(thing="no such thing") == set()
