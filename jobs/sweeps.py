"""One training asked for several times with other arguments, at most so many of them at once.

The rows say all: a place among the variants that has no deployment yet still waits. Whoever looks (a beat, the end
of a training, the person who asked) starts what there is room for. They wait for each other at the locks of the
quota, and no place can have two deployments.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, User
from datacenters.jobspec import JobKind

from . import doorbell, idempotency, quotas, services
from .models import Deployment, IdempotencyKey, Sweep, SweepQuerySet, as_json
from .refusals import FieldError, QuotaExceeded, RequestRefused
from .requests import DeployRequest, request_of

MOST_VARIANTS = 200
MOST_AT_ONCE = 20
TITLE_LENGTH = 100

Arguments = Mapping[str, Any]


def start_sweep(
    request: DeployRequest, variants: Sequence[Arguments], *, at_once: int, owner: User, idempotency_key: str = ""
) -> Sweep:
    """Write down what is asked for and start the first ones; each variant's arguments go over the request's.

    Raises RequestRefused or IdempotencyConflict. Too little quota refuses nothing: the next ones wait for room.
    The same key with the same request answers the first sweep again.
    """
    digest = idempotency.digest_of({"request": request, "variants": list(variants), "at_once": at_once})
    if answered := idempotency.earlier(owner, idempotency_key, digest):
        return _made(answered)
    refused = tuple(_errors(request, variants, at_once))
    if refused:
        raise RequestRefused(*refused)
    # Variants differ in arguments alone: all names at once tell the same as each variant by itself.
    asset, project, _choice = services.check(_varied(request, dict(ChainMap(*map(dict, variants)))), owner)
    with transaction.atomic():
        quotas.lock(project=project, owner=owner)
        # Again, now that nobody else can have the lock: the same request may have come twice at once.
        if answered := idempotency.earlier(owner, idempotency_key, digest):
            return _made(answered)
        sweep = Sweep.objects.create(
            project=project,
            owner=owner,
            asset=asset,
            asset_slug=asset.slug,
            title=request.title or asset.title[:TITLE_LENGTH],
            request=as_json(request),
            variants=[as_json(variant) for variant in variants],
            at_once=at_once,
        )
        idempotency.remember(owner, idempotency_key, digest, sweep=sweep)
        AuditEvent.record(owner, "sweep.created", sweep, asset=asset.slug, trainings=len(variants))
    advance(sweep.pk)
    sweep.refresh_from_db()
    return sweep


def _made(answered: IdempotencyKey) -> Sweep:
    assert answered.sweep is not None  # the same request, which made one
    return answered.sweep


def stop_sweep(sweep: Sweep, actor: User | None, *, reason: str = "") -> Sweep:
    """No further training of it starts, and those that run are stopped. ``actor`` None: Serai itself."""
    services.must_change(sweep, actor)
    with transaction.atomic():
        if _row(sweep.pk).filter(ended=None, stopped=None).update(stopped=timezone.now(), reason=reason):
            AuditEvent.record(actor, "sweep.stopped", sweep)
    # Only now, when nobody can start another one.
    _stop_those_that_run(sweep.pk, actor)
    _end_if_nothing_is_left(sweep.pk)
    sweep.refresh_from_db()
    return sweep


def advance(sweep_id: UUID) -> int:
    """Start what there is room for, and see to the end; how many started. Harmless at any time."""
    started = 0
    archived = _row(sweep_id).filter(ended=None, stopped=None).exclude(project__archived=None).first()
    if archived:
        stop_sweep(archived, None, reason=_("Its project was archived."))
    while _start_next(sweep_id):
        started += 1
    stopped = _row(sweep_id).filter(ended=None).exclude(stopped=None)
    if stopped.exists():  # whoever stopped it may not have lived to stop them all
        _stop_those_that_run(sweep_id, None)
    _end_if_nothing_is_left(sweep_id)
    return started


def advance_all() -> None:
    """Ring for every sweep that is not at its end, in case the ring of a training's end was lost."""
    for pk in Sweep.objects.filter(ended=None).values_list("pk", flat=True):
        doorbell.ring(doorbell.ADVANCE_SWEEP, pk, expires_seconds=5)


# ── The next one ─────────────────────────────────────────────────────────────────────────────────
def _start_next(sweep_id: UUID) -> bool:
    sweep = _row(sweep_id).with_parts().first()
    if sweep is None or next_place(sweep) is None:  # most looks find nothing to do, and need no lock for that
        return False
    with transaction.atomic():
        quotas.lock(project=sweep.project, owner=sweep.owner)
        sweep = _row(sweep_id).with_parts().select_for_update(of=("self",), no_key=True).get()
        place = next_place(sweep)
        if place is None:
            return False
        if obstacle := _deploy(sweep, place):
            _row(sweep_id).exclude(reason=obstacle).update(reason=obstacle)
            return False
        _row(sweep_id).exclude(reason="").update(reason="")
    return True


def next_place(sweep: Sweep) -> int | None:
    """The first variant that may start now; None while there is none, or no room for it."""
    if sweep.stopped or sweep.ended:
        return None
    places = set(sweep.deployments.values_list("sweep_place", flat=True))
    waiting = (place for place in range(len(sweep.variants)) if place not in places)
    return next(waiting, None) if sweep.deployments.live().count() < sweep.at_once else None


def _deploy(sweep: Sweep, place: int) -> str:
    """Why it could not be started now; empty if it was."""
    if not sweep.owner.is_active:
        return _("%(person)s, who asked for it, has left. Stop it, and ask for it anew.") % {"person": sweep.owner}
    try:
        services.deploy(request_for(sweep, place), owner=sweep.owner, sweep=sweep, place=place)
    except QuotaExceeded as excess:
        return _("The next training waits. %(why)s") % {"why": excess}
    except RequestRefused as refusal:
        why = " ".join(error.detail for error in refusal.errors)
        return _("The next training cannot start. %(why)s") % {"why": why}
    return ""


def request_for(sweep: Sweep, place: int) -> DeployRequest:
    """What is asked for by one variant."""
    varied = _varied(request_of(sweep.request), sweep.variants[place])
    title = f"{sweep.title} · {in_words(sweep.variants[place])}"
    return replace(varied, title=title[:TITLE_LENGTH])


def in_words(variant: Arguments) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(variant.items()))


def _varied(request: DeployRequest, variant: Arguments) -> DeployRequest:
    return replace(request, arguments={**request.arguments, **variant})


# ── The end ──────────────────────────────────────────────────────────────────────────────────────
def _stop_those_that_run(sweep_id: UUID, actor: User | None) -> None:
    reason = _("The sweep that it belongs to was stopped.")
    for deployment in Deployment.objects.filter(sweep=sweep_id, wanted=True).live().with_parts():
        services.stop(deployment, actor, reason=reason)


def _end_if_nothing_is_left(sweep_id: UUID) -> None:
    sweep = _row(sweep_id).filter(ended=None).first()
    if sweep is None or sweep.deployments.live().exists():
        return
    if sweep.stopped or sweep.deployments.count() >= len(sweep.variants):
        _row(sweep_id).filter(ended=None).update(ended=timezone.now())


# ── Checks ───────────────────────────────────────────────────────────────────────────────────────
def _errors(request: DeployRequest, variants: Sequence[Arguments], at_once: int) -> list[FieldError]:
    errors = []
    if request.kind is not JobKind.BATCH:
        errors.append(FieldError("#/kind", _("Only trainings (kind “batch”) make a sweep.")))
    if not variants:
        errors.append(FieldError("#/grid", _("Give at least one argument several values.")))
    if len(variants) > MOST_VARIANTS:
        errors.append(FieldError("#/grid", too_many(len(variants))))
    if not 1 <= at_once <= MOST_AT_ONCE:
        errors.append(
            FieldError("#/at_once", _("From 1 to %(most)d trainings may run at once.") % {"most": MOST_AT_ONCE})
        )
    return errors


def too_many(count: int) -> str:
    text = _("These values make %(count)s trainings; a sweep has at most %(most)d. Take fewer values.")
    return text % {"count": f"{count:,}", "most": MOST_VARIANTS}


def _row(sweep_id: UUID) -> SweepQuerySet:
    return Sweep.objects.filter(pk=sweep_id)
