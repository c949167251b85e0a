"""What people do with deployments. Each function checks, writes rows in one transaction, and rings the worker."""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import WORKING, AuditEvent, Capability, Project, User
from datacenters.jobspec import JobKind
from datacenters.models import Datacenter
from marketplace.models import Asset

from . import admission, attaching, beside, doorbell, elsewhere, idempotency, placement, planning, quotas, tools
from .compilers import can_compile
from .federation import members
from .models import FINAL, UNDO_LASTS, Deployment, DeploymentQuerySet, IdempotencyKey, Status, Sweep, as_json
from .options import options_of
from .places import why_closed
from .refusals import FieldError, IdempotencyConflict, NotPossibleNow, QuotaExceeded, RequestRefused
from .requests import DeployRequest, ResourceRequest
from .tools import references

__all__ = [
    "FieldError",
    "IdempotencyConflict",
    "NotPossibleNow",
    "QuotaExceeded",
    "RequestRefused",
    "check",
    "delete",
    "deploy",
    "must_change",
    "restart",
    "restore",
    "start",
    "stop",
    "why_not_change",
]

SENT = (Status.PENDING, Status.STARTING, Status.RUNNING, Status.UNKNOWN)
# What starting again begins anew.
FRESH: dict[str, Any] = {
    "status": Status.QUEUED,
    "wanted": True,
    "attempts": 0,
    "not_before": None,
    "held_since": None,
    "allocation_id": "",
    "stage": "",
    "stage_detail": "",
    "reason": "",
    "advice": "",
    "evidence": {},
    "healthy": None,
    "endpoints": [],
    "submitted": None,
    "started": None,
    "ended": None,
    "result": None,
    "run_id": "",
    "exit_code": None,
    "restarts": 0,
    "deadline": None,
    "warned": None,
    "last_active": None,
}


def deploy(
    request: DeployRequest,
    *,
    owner: User,
    idempotency_key: str = "",
    sweep: Sweep | None = None,
    place: int | None = None,
) -> Deployment:
    """Write down what is asked for and answer at once; the worker sends it.

    Raises RequestRefused, QuotaExceeded or IdempotencyConflict. The same key with the same request
    answers the first deployment again. ``place`` says which variant of the sweep it is.
    """
    digest = idempotency.digest_of(request)
    if answered := idempotency.earlier(owner, idempotency_key, digest):
        return _made(answered)
    asset, project, choice = check(request, owner)
    with transaction.atomic():
        quotas.lock(project=project, owner=owner)
        # Again, now that nobody else can have the lock: the same request may have come twice at once.
        if answered := idempotency.earlier(owner, idempotency_key, digest):
            return _made(answered)
        # Again as well: only now nobody can archive it, or take the owner out of it.
        project.refresh_from_db()
        refused = tuple(_project_errors(request, project, owner))
        if refused:
            raise RequestRefused(*refused)
        held = _held(request, asset, project, owner, sweep)
        deployment = _write(request, owner, asset, project, choice, held=held, sweep=sweep, sweep_place=place)
        idempotency.remember(owner, idempotency_key, digest, deployment=deployment)
    return deployment


def _held(
    request: DeployRequest, asset: Asset, project: Project, owner: User, sweep: Sweep | None
) -> admission.Held | None:
    """Why it waits in the queue of its project; what a sweep starts waits in the sweep instead."""
    if sweep is None:
        return admission.hold(request, asset, project=project, owner=owner)
    quotas.check(request.resources, project=project, owner=owner)
    return None


def _made(answered: IdempotencyKey) -> Deployment:
    assert answered.deployment is not None  # the same request, which made one
    return answered.deployment


def check(request: DeployRequest, owner: User) -> tuple[Asset, Project, placement.Choice]:
    """What is asked for and where it would go; raises RequestRefused with all that is wrong."""
    asset, project = _checked(request, owner)
    return asset, project, _placed(request, asset, owner)


def stop(deployment: Deployment, actor: User | None, *, reason: str = "") -> Deployment:
    """``actor`` None: Serai itself, which gives the reason."""
    must_change(deployment, actor)
    now = timezone.now()
    row = Deployment.objects.filter(pk=deployment.pk)
    with transaction.atomic():
        # One that was never tried has nothing anywhere; of one that was, the answer may have been lost.
        never_sent = row.filter(status=Status.QUEUED, attempts=0)
        sent = row.filter(status__in=SENT) | row.filter(status=Status.QUEUED, attempts__gt=0)
        words = {"reason": reason, "advice": "", "evidence": {}, "status_since": now, "wanted": False}
        if never_sent.change(status=Status.STOPPED, ended=now, **words):
            deployment.record("stopped", reason or _("Stopped before it was sent."), actor=actor, status=Status.STOPPED)
        elif sent.change(status=Status.STOPPING, not_before=None, **words):
            deployment.record("stop requested", reason, actor=actor, status=Status.STOPPING)
        elif not row.filter(wanted=True).exclude(status__in=FINAL).change(wanted=False):
            return _as_it_is(deployment)
        AuditEvent.record(actor, "deployment.stopped", deployment)
        doorbell.ring_on_commit(doorbell.WITHDRAW, deployment.pk)
    return _as_it_is(deployment)


def start(deployment: Deployment, actor: User) -> Deployment:
    """Start again what ended, or keep what is about to stop: then it starts again once it has stopped."""
    must_change(deployment, actor)
    if closed := why_closed(deployment.datacenter, actor):
        raise NotPossibleNow(closed)
    with transaction.atomic():
        quotas.lock(project=deployment.project, owner=deployment.owner)
        _as_it_is(deployment)
        must_change(deployment, actor)
        if deployment.is_final:
            quotas.check(_resources(deployment), project=deployment.project, owner=deployment.owner)
            begin_anew(deployment, actor)
        elif not _row(deployment).filter(wanted=False).change(wanted=True):
            return deployment
        AuditEvent.record(actor, "deployment.started", deployment)
    return _as_it_is(deployment)


def restart(deployment: Deployment, actor: User) -> Deployment:
    """Stop it and start it again, as for a module that no longer answers."""
    must_change(deployment, actor)
    now = timezone.now()
    with transaction.atomic():
        stopping = _row(deployment).filter(status__in=SENT)
        if not stopping.change(status=Status.STOPPING, wanted=True, not_before=None, status_since=now, reason=""):
            return start(deployment, actor)
        deployment.record("restart requested", actor=actor, status=Status.STOPPING)
        AuditEvent.record(actor, "deployment.restarted", deployment)
        doorbell.ring_on_commit(doorbell.WITHDRAW, deployment.pk)
    return _as_it_is(deployment)


def delete(deployment: Deployment, actor: User) -> Deployment:
    """Stop it and take it out of sight; for ten minutes it can be restored."""
    must_change(deployment, actor)
    with transaction.atomic():
        was = _as_it_is(deployment).status
        if _row(deployment).filter(deleted=None).change(deleted=timezone.now()):
            deployment.record("deleted", actor=actor, evidence={"was": was})
            AuditEvent.record(actor, "deployment.deleted", deployment)
            stop(deployment, actor)
    return _as_it_is(deployment)


def restore(deployment: Deployment, actor: User) -> Deployment:
    """Undo a deletion; what ran then starts again, if there still is room for it."""
    must_change(deployment, actor)
    still = _row(deployment).filter(deleted__gt=timezone.now() - UNDO_LASTS, purged=None)
    with transaction.atomic():
        if not still.change(deleted=None):
            if _as_it_is(deployment).deleted is None:
                return deployment
            raise NotPossibleNow(_("It was deleted more than ten minutes ago."))
        deployment.record("restored", actor=actor)
        AuditEvent.record(actor, "deployment.restored", deployment)
    deleted = deployment.events.filter(verb="deleted").last()
    if deleted and deleted.evidence.get("was") not in FINAL:
        _start_if_there_is_room(deployment, actor)
    return _as_it_is(deployment)


def begin_anew(deployment: Deployment, actor: User | None = None) -> bool:
    """Queue it for another start. Only to be called for one that ended, or whose stop has just been seen."""
    former = deployment.allocation_id or deployment.former_allocation_id
    row = _row(deployment).filter(status=deployment.status, starts=deployment.starts)
    values = {**FRESH, "former_allocation_id": former, "starts": deployment.starts + 1, "status_since": timezone.now()}
    if not row.change(**values, **elsewhere.arrived(deployment)):
        return False
    if deployment.move_to:
        elsewhere.record_arrival(deployment)
    else:
        deployment.record("started again", actor=actor, status=Status.QUEUED)
    doorbell.ring_on_commit(doorbell.SUBMIT, deployment.pk)
    return True


def _start_if_there_is_room(deployment: Deployment, actor: User) -> None:
    try:
        start(deployment, actor)
    except QuotaExceeded as error:
        _row(deployment).change(reason=_("It was restored, but not started. %(why)s") % {"why": error})


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────
def why_not_change(thing: Deployment | Sweep, person: User) -> str:
    """Why this person may only look at it, for buttons that cannot be pressed; empty if they may change it."""
    if thing.project.archived:
        return _("This project is archived: what it has can be looked at, not changed.")
    if not _works_in(thing.project, person):
        return _("You may look at this project's deployments, not change them.")
    return ""


def must_change(thing: Deployment | Sweep, actor: User | None) -> None:
    """Raise PermissionDenied unless this person may change it; Serai itself (None) may."""
    why_not = why_not_change(thing, actor) if actor else ""
    if why_not:
        raise PermissionDenied(why_not)


def _works_in(project: Project, person: User) -> bool:
    return project.role_of(person) in WORKING


def _checked(request: DeployRequest, owner: User) -> tuple[Asset, Project]:
    asset = Asset.objects.listed().filter(slug=request.asset).first()
    project = Project.objects.filter(slug=request.project).first()
    errors = [*_asset_errors(request, asset), *_project_errors(request, project, owner), *_kind_errors(request, owner)]
    if project is not None and not errors:
        errors += attaching.errors(request, project, owner)
    errors += beside.errors(request, owner)
    if asset is not None and project is not None:
        errors += members.errors(request, asset)
        errors += references.errors(request, asset, project)
    if errors or asset is None or project is None:
        raise RequestRefused(*errors)
    return asset, project


def _asset_errors(request: DeployRequest, asset: Asset | None) -> Iterator[FieldError]:
    if asset is None:
        yield FieldError("#/module", _("There is no module “%(slug)s”.") % {"slug": request.asset})
    elif not can_compile(asset):
        text = _("Serai does not know yet how to run “%(title)s”.")
        yield FieldError(f"#/{asset.kind}", text % {"title": asset.title})
    elif request.kind != tools.kind_of(asset, request.kind):
        yield FieldError("#/kind", _wrong_kind(request.kind))
    else:
        yield from _script_errors(request, asset)
        known = {option.name for option in options_of(asset, request.kind)}
        for name in sorted(set(request.options) - known):
            text = _("This has no option “%(name)s”. It has: %(known)s.")
            values = {"name": name, "known": ", ".join(sorted(known)) or _("none")}
            yield FieldError(f"#/options/{name}", text % values)


def _script_errors(request: DeployRequest, asset: Asset) -> Iterator[FieldError]:
    tool = tools.tool_of(asset)
    if tool and tool.script and not request.script:
        yield FieldError("#/script", _("Write the script that is to run."))
    if tool and request.script and not tool.script:
        yield FieldError("#/script", _("This tool takes no script."))


def _wrong_kind(asked: JobKind) -> str:
    if asked is JobKind.BATCH:
        return _("A tool is a service: only modules train.")
    return _("This tool ends by itself: its kind is “batch”.")


def _project_errors(request: DeployRequest, project: Project | None, owner: User) -> Iterator[FieldError]:
    if project is None or project.role_of(owner) is None:
        yield FieldError("#/project", _("You are in no project “%(slug)s”.") % {"slug": request.project})
    elif project.archived:
        yield FieldError("#/project", _("“%(name)s” is archived: nothing new runs there.") % {"name": project})
    elif not _works_in(project, owner):
        yield FieldError("#/project", _("You may look at what runs in this project, not deploy there."))


def _kind_errors(request: DeployRequest, owner: User) -> Iterator[FieldError]:
    if not owner.can(Capability.USE):
        yield FieldError("#", _("Your account may not deploy. Ask an administrator."))
    if request.kind is JobKind.BATCH and not owner.can(Capability.TRAIN):
        yield FieldError("#/kind", _("Your account may use modules, not train them. Ask an administrator for more."))
    if request.kind is JobKind.SERVICE and request.arguments:
        yield FieldError("#/arguments", _("Only a training (kind “batch”) takes arguments."))
    if request.kind is JobKind.SERVICE and request.script:
        yield FieldError("#/script", _("Only a batch run (kind “batch”) takes a script."))
    for name in request.arguments:
        if not name.isidentifier():
            yield FieldError(f"#/arguments/{name}", _("“%(name)s” is no name of an argument.") % {"name": name})


def _placed(request: DeployRequest, asset: Asset, owner: User) -> placement.Choice:
    plan = planning.plan_for(request, asset, owner)
    if not plan.choices:
        raise RequestRefused(*plan.errors)
    return plan.choices[0]


# ── Writing ──────────────────────────────────────────────────────────────────────────────────────
def _write(
    request: DeployRequest,
    owner: User,
    asset: Asset,
    project: Project,
    choice: placement.Choice,
    *,
    held: admission.Held | None,
    **belongs: Any,
) -> Deployment:
    datacenter = Datacenter.objects.get(name=choice.datacenter)
    deployment = Deployment.objects.create(
        project=project,
        owner=owner,
        asset=asset,
        asset_slug=asset.slug,
        asset_kind=asset.kind,
        title=request.title or asset.title[:100],
        kind=str(request.kind),
        request=as_json(request),
        datacenter=datacenter,
        reason=held.reason if held else "" if choice.starts_now else choice.sentence,
        evidence={"why": held.reason} if held else {},
        held_since=timezone.now() if held else None,
        **belongs,
    )
    sentence = _("Goes to %(datacenter)s. %(why)s") % {"datacenter": datacenter, "why": choice.sentence}
    if held:
        sentence = _("Waits in the queue of its project. %(why)s") % {"why": held.reason}
    deployment.record("queued", sentence, actor=owner, status=Status.QUEUED)
    AuditEvent.record(owner, "deployment.created", deployment, asset=asset.slug, datacenter=datacenter.name)
    doorbell.ring_on_commit(doorbell.SUBMIT, deployment.pk)
    return deployment


def _row(deployment: Deployment) -> DeploymentQuerySet:
    return Deployment.objects.filter(pk=deployment.pk)


def _as_it_is(deployment: Deployment) -> Deployment:
    deployment.refresh_from_db()
    return deployment


def _resources(deployment: Deployment) -> ResourceRequest:
    return ResourceRequest(**deployment.request["resources"])
