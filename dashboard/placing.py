"""What people say of places, for pages and REST alike."""

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, Project, User
from accounts.services import may_manage
from dashboard.placing_forms import FavourForm, FootprintForm, StoragePlaceForm
from datacenters.footprints import Footprint
from datacenters.models import Datacenter
from jobs import planning, storages
from jobs.models import Storage, StorageKind


def footprint_of(datacenter: Datacenter) -> Footprint:
    """What is said of it; an empty one where nothing is."""
    return Footprint.objects.filter(datacenter=datacenter).first() or Footprint(datacenter=datacenter)


def describe(form: FootprintForm, datacenter: Datacenter, actor: User) -> Footprint:
    with transaction.atomic():
        footprint: Footprint = form.save()
        AuditEvent.record(actor, "datacenter.described", datacenter, fields=list(form.changed_data))
    return footprint


def must_place(storage: Storage, actor: User) -> None:
    storages.must_work_in(storage.project, actor)
    if storage.kind == StorageKind.HOME:
        raise PermissionDenied(_("Homes lie where Serai itself runs."))


def place(form: StoragePlaceForm, actor: User) -> Storage:
    with transaction.atomic():
        storage: Storage = form.save()
        AuditEvent.record(actor, "storage.changed", storage, fields=list(form.changed_data))
    return storage


def must_favour_for(project: Project, actor: User) -> None:
    if not may_manage(project, actor):
        raise PermissionDenied(_("Only the managers of this project may do that."))


def favour(form: FavourForm, holder: Project | User, actor: User) -> None:
    with transaction.atomic():
        planning.set_favour(holder, form.choice)
        AuditEvent.record(actor, "preference.changed", holder, favour=form.cleaned_data["favour"])
