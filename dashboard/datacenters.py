"""What operators do with a datacenter, for pages and REST alike."""

from django.db import transaction

from accounts.models import AuditEvent, User
from dashboard.datacenter_forms import DescriptionForm, MaintenanceForm
from datacenters.models import Datacenter, Maintenance


def describe(form: DescriptionForm, actor: User) -> Datacenter:
    with transaction.atomic():
        datacenter: Datacenter = form.save()
        AuditEvent.record(actor, "datacenter.described", datacenter, fields=list(form.changed_data))
    return datacenter


def announce(form: MaintenanceForm, datacenter: Datacenter, actor: User) -> Maintenance:
    """From then until then nothing new goes there; the page of every deploy form says so a day before."""
    form.instance.datacenter, form.instance.announced_by = datacenter, actor
    with transaction.atomic():
        maintenance: Maintenance = form.save()
        when = {"starts": maintenance.starts.isoformat(), "ends": maintenance.ends.isoformat()}
        AuditEvent.record(actor, "maintenance.announced", datacenter, reason=maintenance.reason, **when)
    return maintenance


def call_off(maintenance: Maintenance, actor: User) -> None:
    with transaction.atomic():
        AuditEvent.record(actor, "maintenance.called-off", maintenance.datacenter, reason=maintenance.reason)
        maintenance.delete()
