"""Shared projects: who makes them, who is in them and as what. Pages and REST both call these.

Each function raises PermissionDenied for whoever may not, and NotPossible where the project's state
stands against it.
"""

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from .models import AuditEvent, Capability, Membership, Project, Role, User, free_slug


class NotPossible(Exception):
    """The project's state does not allow this; the text says what does."""


def may_create(person: User) -> bool:
    """Whoever comes for more than using modules: intermediate people and up."""
    return person.can(Capability.TRAIN)


def may_manage(project: Project, person: User) -> bool:
    """Its managers; of shared ones the platform's administrators too, so that none is left without anybody."""
    if project.role_of(person) == Role.MANAGER:
        return True
    return not project.is_personal and person.can(Capability.ADMINISTER)


def must_be_allowed_to_create(person: User) -> None:
    if not may_create(person):
        raise PermissionDenied(_("Your account may work in projects, not start them. Ask an administrator for more."))


def create_project(actor: User, name: str, slug: str = "") -> Project:
    """``slug`` is the id outside and the Nomad namespace, for ever; empty: made from the name."""
    must_be_allowed_to_create(actor)
    try:
        with transaction.atomic():
            project = Project.objects.create(slug=slug or free_slug(name), name=name)
            Membership.objects.create(project=project, user=actor, role=Role.MANAGER)
            AuditEvent.record(actor, "project.created", project, name=name)
    except IntegrityError:
        raise NotPossible(_("Another project has just taken this id. Choose another.")) from None
    return project


def rename_project(project: Project, actor: User, name: str) -> None:
    with transaction.atomic():
        locked = _for_managers(project, actor)
        if locked.name != name:
            Project.objects.filter(pk=project.pk).update(name=name)
            AuditEvent.record(actor, "project.renamed", project, name=name, was=locked.name)
    project.name = name


def add_member(project: Project, actor: User, user: User, role: Role) -> Membership:
    with transaction.atomic():
        locked = _for_managers(project, actor)
        if locked.is_personal:
            raise NotPossible(_("A personal project is for one person alone. Start a shared project to work together."))
        membership, is_new = Membership.objects.get_or_create(project=locked, user=user, defaults={"role": role})
        if not is_new:
            raise NotPossible(_("%(user)s is in this project already. Change the role there.") % {"user": user})
        AuditEvent.record(actor, "member.added", project, user=user.username, role=role)
    return membership


def change_role(membership: Membership, actor: User, role: Role) -> None:
    project = membership.project
    with transaction.atomic():
        _keep_somebody_in_charge(_for_managers(project, actor), membership, role)
        if Membership.objects.filter(pk=membership.pk).exclude(role=role).update(role=role, given_by=""):
            AuditEvent.record(actor, "member.changed", project, user=membership.user.username, role=role)
    membership.role = role


def remove_member(membership: Membership, actor: User) -> None:
    """Take somebody out, or leave. What they started there stays the project's and goes on."""
    project, leaves = membership.project, membership.user == actor
    with transaction.atomic():
        locked = _locked(project) if leaves else _for_managers(project, actor)
        _keep_somebody_in_charge(locked, membership, None)
        if Membership.objects.filter(pk=membership.pk).delete()[0]:
            action = "member.left" if leaves else "member.removed"
            AuditEvent.record(actor, action, project, user=membership.user.username)


def archive_project(project: Project, actor: User) -> None:
    """Only for jobs.projects, which knows that nothing runs there."""
    with transaction.atomic():
        if _for_managers(project, actor).is_personal:
            raise NotPossible(_("A personal project stays as long as its person."))
        project.archived = timezone.now()
        project.save(update_fields=["archived"])
        AuditEvent.record(actor, "project.archived", project)


def restore_project(project: Project, actor: User) -> None:
    """Open an archived project again; that it is open already is fine."""
    with transaction.atomic():
        locked = _locked(project)
        must_manage(locked, actor)
        if locked.archived:
            Project.objects.filter(pk=project.pk).update(archived=None)
            AuditEvent.record(actor, "project.restored", project)
    project.archived = None


def _for_managers(project: Project, actor: User) -> Project:
    """The project's row as it is now, held until the transaction ends; open, and the actor manages it."""
    locked = _locked(project)
    must_manage(locked, actor)
    if locked.archived:
        raise NotPossible(_("This project is archived. Open it again first."))
    return locked


def must_manage(project: Project, actor: User) -> None:
    if not may_manage(project, actor):
        raise PermissionDenied(_("Only the managers of this project may do that."))


def _locked(project: Project) -> Project:
    # SQLite has no row locks and needs none: its transactions begin with the one write lock.
    return Project.objects.select_for_update().get(pk=project.pk)


def _keep_somebody_in_charge(project: Project, membership: Membership, role: Role | None) -> None:
    """Raise NotPossible if this person's becoming ``role`` (None: gone) leaves nobody who manages the project."""
    if project.personal_of_id == membership.user_id:
        raise NotPossible(_("This is their personal project: nobody else is in charge of it."))
    managers = project.memberships.filter(role=Role.MANAGER)
    others = managers.filter(user__is_active=True).exclude(pk=membership.pk)
    if role != Role.MANAGER and managers.filter(pk=membership.pk).exists() and not others.exists():
        raise NotPossible(_("Somebody must manage the project. Make another member a manager first."))
