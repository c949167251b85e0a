"""Who somebody is here who signed in elsewhere, and what the rules of that place give them."""

import logging
import re
from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from accounts.models import AuditEvent, Membership, Project, Role, User, create_person

from .config import Identity
from .rules import Granted

logger = logging.getLogger(__name__)

LONGEST_NAME = 50
NO_NAMES = {"new"}  # an address of the people's pages
TRIES = 5  # when others take the same name in the same moment


def join(identity: Identity, claims: Mapping[str, Any], known: Mapping[str, Any]) -> SocialAccount:
    """The account of a person who comes for the first time; theirs alone, however many others have that address."""
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                user = create_person(
                    free_username(claims), full_name=_text(claims, "name")[:150], email=_verified_email(claims)
                )
                return SocialAccount.objects.create(
                    user=user, provider=identity.issuer, uid=claims["sub"], extra_data=dict(known)
                )
        except IntegrityError:
            # Another tab of theirs was quicker, or somebody else took the name.
            account = SocialAccount.objects.filter(provider=identity.issuer, uid=claims["sub"]).first()
            if account:
                return account
    raise IntegrityError(f"No user name is free for a person of {identity.name}")


def free_username(claims: Mapping[str, Any]) -> str:
    """From what they are called there: small letters, digits, dots and hyphens."""
    email = _verified_email(claims).partition("@")[0]
    called = (_text(claims, "preferred_username").partition("@")[0], email, _text(claims, "name"))
    wanted = next(filter(None, map(_plain, called)), "person")
    names = [wanted, *(f"{wanted}-{number}" for number in range(2, 1_000))]
    taken = {
        name.lower() for name in User.objects.filter(username__istartswith=wanted).values_list("username", flat=True)
    }
    return next(name for name in names if name not in taken | NO_NAMES)


def _plain(text: str) -> str:
    return slugify(re.sub(r"[._\s]+", "-", text))[:LONGEST_NAME].strip("-")


def _verified_email(claims: Mapping[str, Any]) -> str:
    """An address that nobody checked could be anybody's: it is not shown as theirs."""
    return _text(claims, "email")[:254] if claims.get("email_verified") is True else ""


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.replace("\0", "").strip() if isinstance(value, str) else ""


# ── What the rules give ──────────────────────────────────────────────────────────────────────────
def apply(user: User, identity: Identity, rights: Granted) -> None:
    """Make this person's rights what the rules say now; what they do not speak of stays as it is."""
    with transaction.atomic():
        changes = {**_change_account(user, rights), **_change_roles(user, identity, rights.roles)}
        if changes:
            AuditEvent.record(user, "user.rules-applied", user, by=identity.name, **changes)


def _change_account(user: User, rights: Granted) -> dict[str, Any]:
    wanted = {"level": rights.level, "is_staff": rights.operator, "is_superuser": rights.administrator}
    if rights.administrator is False and not _others_administer(user):
        wanted["is_superuser"] = None  # somebody must run the platform
    changes = {name: value for name, value in wanted.items() if value is not None and value != getattr(user, name)}
    if changes:
        User.objects.filter(pk=user.pk).update(**changes)
        for name, value in changes.items():
            setattr(user, name, value)
    return changes


def _others_administer(user: User) -> bool:
    return User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk).exists()


def _change_roles(user: User, identity: Identity, roles: Mapping[str, Role]) -> dict[str, Any]:
    """Only memberships that these rules gave: what a manager gave by hand is the manager's to take."""
    given = Membership.objects.filter(user=user, given_by=identity.issuer).select_related("project")
    lost = [membership for membership in given if membership.project.slug not in roles]
    for membership in lost:
        membership.delete()
        AuditEvent.record(user, "member.removed", membership.project, user=user.username, by=identity.name)
    changed = [slug for slug, role in roles.items() if _give(user, identity, slug, role)]
    return {"projects": changed + [f"-{membership.project.slug}" for membership in lost]} if changed or lost else {}


def _give(user: User, identity: Identity, slug: str, role: Role) -> bool:
    project = Project.objects.select_for_update().filter(slug=slug, personal_of=None, archived=None).first()
    if project is None:
        logger.warning("The rules of %s name the project %s, which is not open.", identity.name, slug)
        return False
    membership, is_new = Membership.objects.get_or_create(
        project=project, user=user, defaults={"role": role, "given_by": identity.issuer}
    )
    if not is_new and (membership.given_by != identity.issuer or membership.role == role):
        return False
    Membership.objects.filter(pk=membership.pk).update(role=role)
    action = "member.added" if is_new else "member.changed"
    AuditEvent.record(user, action, project, user=user.username, role=role, by=identity.name)
    return True


def ensure_projects(identity: Identity) -> None:
    """Make the projects that rules name and nobody made: first, so that no stranger takes their ids."""
    for slug in identity.rules.projects:
        project, is_new = Project.objects.get_or_create(slug=slug, defaults={"name": slug})
        if is_new:
            AuditEvent.record(None, "project.created", project, by=identity.name)
        elif project.is_personal:
            logger.error("The rules of %s name %s, which is somebody's own project.", identity.name, slug)
