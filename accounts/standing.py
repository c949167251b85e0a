"""What somebody is here: their level, whether they run datacenters or the platform, whether they may come in.

Each function raises PermissionDenied for whoever may not, and NotPossible where it would shut the actor out.
"""

from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from .models import AuditEvent, Capability, Level, User
from .services import NotPossible


@dataclass(frozen=True)
class Standing:
    level: Level
    operator: bool = False
    administrator: bool = False

    @classmethod
    def of(cls, user: User) -> "Standing":
        return cls(Level(user.level), operator=user.is_staff, administrator=user.is_superuser)


def change(user: User, actor: User, standing: Standing) -> None:
    """Pages and REST offer at once what the new level may do; what runs goes on."""
    must_administer(actor)
    if user == actor and not standing.administrator:
        raise NotPossible(_("You cannot take this from yourself: ask another administrator."))
    fields = {"level": standing.level, "is_staff": standing.operator, "is_superuser": standing.administrator}
    with transaction.atomic():
        was = Standing.of(User.objects.select_for_update().get(pk=user.pk))
        if was != standing:
            User.objects.filter(pk=user.pk).update(**fields)
            AuditEvent.record(actor, "user.changed", user, **fields)
    for name, value in fields.items():
        setattr(user, name, value)


def switch(user: User, actor: User, *, on: bool) -> None:
    """Off ends their sessions and tokens at the next use."""
    must_administer(actor)
    if user == actor:
        raise NotPossible(_("You cannot switch yourself off: ask another administrator."))
    with transaction.atomic():
        if User.objects.filter(pk=user.pk, is_active=not on).update(is_active=on):
            AuditEvent.record(actor, "user.switched-on" if on else "user.switched-off", user)
    user.is_active = on


def must_administer(actor: User) -> None:
    if not actor.can(Capability.ADMINISTER):
        raise PermissionDenied(_("Only administrators of the platform may do that."))
