"""What people may do with the deployments of a shared project, by their role, and once it is archived."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts import services as members
from accounts.models import Role
from jobs import projects, quotas, services
from jobs.models import Deployment, Status
from jobs.refusals import NotPossibleNow, RequestRefused

pytestmark = pytest.mark.django_db


@pytest.fixture
def bobs(site, digits, ask, engine, bob) -> Deployment:
    """Bob's deployment in the shared project."""
    return services.deploy(ask(project=engine.slug, title="Bob's"), owner=bob)


@pytest.mark.parametrize(("name", "may"), [("ada", True), ("bob", True), ("vera", False), ("eve", False)])
def test_members_deploy_and_others_are_told_why_not(site, digits, ask, engine, who, name, may):
    if may:
        assert services.deploy(ask(project=engine.slug), owner=who(name)).project == engine
    else:
        with pytest.raises(RequestRefused) as refusal:
            services.deploy(ask(project=engine.slug), owner=who(name))
        assert [error.pointer for error in refusal.value.errors] == ["#/project"]


@pytest.mark.parametrize(("name", "sees", "may"), [
    ("ada", True, True), ("bob", True, True), ("vera", True, False), ("eve", False, False), ("grace", False, False),
])  # fmt: skip
@pytest.mark.parametrize("act", [services.stop, services.start, services.restart, services.delete, services.restore])
def test_members_change_it_and_viewers_look_at_it(bobs, who, name, sees, may, act):
    assert (bobs in Deployment.objects.visible_to(who(name))) is sees
    assert (services.why_not_change(bobs, who(name)) == "") is may
    if may:
        act(bobs, who(name))
    else:
        with pytest.raises(PermissionDenied, match="look"):
            act(bobs, who(name))


# ── Leaving ─────────────────────────────────────────────────────────────────────────────────────
def test_what_somebody_started_outlives_their_leaving_and_is_not_held_by_them(bobs, engine, bob, ada, member):
    members.remove_member(member("bob"), bob)
    assert not Deployment.objects.visible_to(bob).exists()
    assert bobs in Deployment.objects.visible_to(ada)
    assert {meter.used for meter in quotas.meters(bob)} == {0}
    assert quotas.meters(engine)[0].used == 1


# ── Archiving ───────────────────────────────────────────────────────────────────────────────────
def test_a_project_in_which_something_runs_is_not_archived(bobs, engine, ada):
    with pytest.raises(NotPossibleNow, match="“Bob's”"):
        projects.archive(engine, ada)
    engine.refresh_from_db()
    assert engine.archived is None


@pytest.mark.parametrize("name", ["bob", "vera", "eve"])
def test_only_managers_archive(engine, who, name):
    with pytest.raises(PermissionDenied):
        projects.archive(engine, who(name))


def test_what_an_archived_project_had_is_read_by_its_managers_and_changed_by_nobody(bobs, engine, who, ada):
    services.stop(bobs, ada)
    projects.archive(engine, ada)
    seen = {name for name in ("ada", "bob", "vera", "eve") if bobs in Deployment.objects.visible_to(who(name))}
    assert seen == {"ada"}
    bobs.refresh_from_db()
    for act in (services.start, services.delete):
        with pytest.raises(PermissionDenied, match="archived"):
            act(bobs, ada)
    assert Deployment.objects.get().status == Status.STOPPED


def test_nothing_is_deployed_in_an_archived_project(site, digits, ask, engine, ada):
    projects.archive(engine, ada)
    with pytest.raises(RequestRefused, match="archived"):
        services.deploy(ask(project=engine.slug), owner=ada)
    members.restore_project(engine, ada)
    services.deploy(ask(project=engine.slug), owner=ada)


@pytest.mark.parametrize("change", ["archived", "left"])
def test_what_changed_between_the_question_and_the_lock_counts(
    site,
    digits,
    ask,
    engine,
    ada,
    bob,
    member,
    monkeypatch,
    change,
):
    """Archiving, or being taken out, while the request waits for the lock."""
    lock = quotas.lock

    def late(**holders: object) -> None:
        if change == "archived":
            projects.archive(engine, ada)
        else:
            members.remove_member(member("bob"), ada)
        lock(**holders)

    monkeypatch.setattr(quotas, "lock", late)
    with pytest.raises(RequestRefused):
        services.deploy(ask(project=engine.slug), owner=bob)
    assert not Deployment.objects.exists()


def test_a_new_member_may_at_once(site, digits, ask, engine, ada, eve):
    members.add_member(engine, ada, eve, Role.MEMBER)
    services.deploy(ask(project=engine.slug), owner=eve)
