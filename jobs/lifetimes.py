"""How long something runs: until its deadline, or until nobody has used it for as long as was asked for.

``Deployment.deadline`` and ``last_active`` are the truth. Whoever finds that a time has come writes it down by one
conditional update, so that several may look, and any of them may be killed. Nothing is stopped while it is not
known what it does: not while its datacenter is out of reach, nor, for want of use, while nobody measures it.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, User

from . import activity, services, tools
from .durations import in_words
from .models import Deployment, DeploymentKind, DeploymentQuerySet, Status, UsageSample
from .refusals import NotPossibleNow

# A warning comes a quarter of the whole time before, and at most this long.
WARNED_AT_MOST = timedelta(minutes=15)
USE_IS_WRITTEN_EVERY = timedelta(seconds=60)
# Figures come every ten seconds; after that long without one nobody knows what it did meanwhile.
MEASURED_WITHIN = timedelta(minutes=2)
WORKING_CORES = 0.1  # less is what a server takes that waits
EXTENSIONS_MINUTES = (60, 240, 720)
LONGEST_EXTENSION_MINUTES = 365 * 24 * 60
# Seen by its datacenter; a batch that is tried again is not running for a while.
SEEN = (Status.PENDING, Status.STARTING, Status.RUNNING)
GOES_ON = (*SEEN, Status.UNKNOWN)


@dataclass(frozen=True)
class Ending:
    """When something stops by itself if nothing happens, and why."""

    at: datetime
    span: timedelta  # how long before it is warned
    why: str
    for_want_of_use: bool = False

    @property
    def warned_from(self) -> datetime:
        return self.at - self.span

    @property
    def is_near(self) -> bool:
        return timezone.now() >= self.warned_from


def ending(deployment: Deployment) -> Ending | None:
    """Its next end; None if it does not run, or for ever."""
    if deployment.status not in GOES_ON or not deployment.wanted:
        return None
    return min(_endings(deployment), key=lambda end: end.at, default=None)


def _endings(deployment: Deployment) -> Iterator[Ending]:
    if deployment.deadline:
        whole = timedelta(seconds=deployment.request.get("max_run_seconds") or 0)
        yield Ending(deployment.deadline, _warned_before(whole), _time_is_over(deployment))
    if (unused := idle_time(deployment)) and deployment.last_active:
        why = _("Nobody used it for %(long)s.") % {"long": in_words(unused.total_seconds())}
        yield Ending(deployment.last_active + unused, _warned_before(unused), why, for_want_of_use=True)


def _time_is_over(deployment: Deployment) -> str:
    long = in_words(deployment.request.get("max_run_seconds") or 0)
    if deployment.kind == DeploymentKind.BATCH:
        return _("It ran longer than the %(long)s that were allowed.") % {"long": long}
    return _("The time that it was to run is over.")


def _warned_before(whole: timedelta) -> timedelta:
    return min(WARNED_AT_MOST, whole / 4)


def idle_time(deployment: Deployment) -> timedelta | None:
    minutes = deployment.request.get("idle_stop_minutes")
    return timedelta(minutes=minutes) if minutes else None


# ── Looked at every few seconds ──────────────────────────────────────────────────────────────────
def tick(now: datetime | None = None) -> None:
    """Start clocks, warn, and stop what is past its deadline; the worker's turn."""
    now = now or timezone.now()
    _start_clocks(now)
    soon = Deployment.objects.filter(status__in=SEEN, wanted=True, deadline__lte=now + WARNED_AT_MOST)
    for deployment in soon.with_parts():
        for end in _endings(deployment):
            if not end.for_want_of_use:
                _settle(deployment, end, now)


def look_after(deployment: Deployment, now: datetime | None = None) -> None:
    """Ask whether it is in use, and warn or stop it if it has not been for long; the watcher's turn."""
    now = now or timezone.now()
    if idle_time(deployment) is None:
        return
    seen = activity.look(deployment)
    if seen is None:
        return
    if seen.busy or seen.last:
        touch([deployment.pk], now if seen.busy else min(seen.last or now, now))
    if not _is_measured(deployment, now):
        return
    fresh = Deployment.objects.with_parts().get(pk=deployment.pk)
    for end in _endings(fresh):
        if end.for_want_of_use and fresh.status == Status.RUNNING:
            _settle(fresh, end, now)


def _start_clocks(now: datetime) -> None:
    """From the moment that its program runs, though it may not answer yet; a start again begins with none."""
    up, seen = Deployment.objects.filter(status=Status.RUNNING), Deployment.objects.filter(status__in=SEEN)
    limited = seen.filter(deadline=None, request__has_key="max_run_seconds").exclude(request__max_run_seconds=None)
    for deployment in limited:
        deadline = (deployment.started or now) + timedelta(seconds=deployment.request["max_run_seconds"])
        seen.filter(pk=deployment.pk, starts=deployment.starts, deadline=None).change(deadline=deadline)
    up.filter(last_active=None, kind=DeploymentKind.SERVICE).change(last_active=now)


def _is_measured(deployment: Deployment, now: datetime) -> bool:
    return UsageSample.objects.filter(deployment=deployment, at__gt=now - MEASURED_WITHIN).exists()


def _settle(deployment: Deployment, end: Ending, now: datetime) -> None:
    if now >= end.at:
        _stop(deployment, end, now)
    elif now >= end.warned_from and (deployment.warned is None or deployment.warned < end.warned_from):
        _warn(deployment, end, now)


def _warn(deployment: Deployment, end: Ending, now: datetime) -> None:
    sentence = _("It stops at %(time)s, in %(left)s. %(why)s") % {
        "time": f"{localtime(end.at):%H:%M}",
        "left": in_words(max(60, round((end.at - now).total_seconds() / 60) * 60)),
        "why": _("Use it, or press “Keep it running”.") if end.for_want_of_use else _("Extend it to go on."),
    }
    with transaction.atomic():
        if _unchanged(deployment).change(warned=now):
            deployment.record("was warned", sentence, status=deployment.status)


def _stop(deployment: Deployment, end: Ending, now: datetime) -> None:
    with transaction.atomic():
        # Whoever extends or uses it in this moment comes either before, and it goes on, or after, and finds it stopped.
        if _unchanged(deployment).change(warned=now):
            services.stop(deployment, None, reason=end.why)


def _unchanged(deployment: Deployment) -> DeploymentQuerySet:
    same = Q(pk=deployment.pk, status=deployment.status, wanted=True, starts=deployment.starts)
    for name in ("deadline", "last_active", "warned"):
        value = getattr(deployment, name)
        same &= Q(**{f"{name}__isnull": True}) if value is None else Q(**{name: value})
    return Deployment.objects.filter(same)


# ── Use ──────────────────────────────────────────────────────────────────────────────────────────
def touch(ids: Collection[UUID], at: datetime | None = None) -> None:
    """They were used just now, or then; written at most once a minute each."""
    at = at or timezone.now()
    used = Deployment.objects.filter(pk__in=ids, status__in=(Status.RUNNING, Status.UNKNOWN))
    used = used.filter(Q(last_active=None) | Q(last_active__lt=at - USE_IS_WRITTEN_EVERY))
    used.filter(warned=None).update(last_active=at)
    used.exclude(warned=None).change(last_active=at)  # a page may show that it stops soon


def note_usage(samples: Iterable[UsageSample]) -> None:
    """What these new figures say: it computes, or nobody knows what it did since the figures before."""
    samples = list(samples)
    ids = {sample.deployment_id for sample in samples}
    recent = UsageSample.objects.filter(deployment_id__in=ids, at__gt=timezone.now() - MEASURED_WITHIN)
    measured = set(recent.values_list("deployment_id", flat=True).distinct())
    working = {sample.deployment_id for sample in samples if sample.cpu_cores > WORKING_CORES}
    touch(working | (ids - measured))


# ── Longer ───────────────────────────────────────────────────────────────────────────────────────
def extend(deployment: Deployment, actor: User, *, minutes: int) -> Deployment:
    """Put its end off: the deadline by so long, and it counts as used now.

    Raises PermissionDenied, or NotPossibleNow with what stands against it.
    """
    if why_not := services.why_not_change(deployment, actor):
        raise PermissionDenied(why_not)
    with transaction.atomic():
        row = Deployment.objects.select_for_update().get(pk=deployment.pk)
        if ending(row) is None:
            raise NotPossibleNow(_("It does not run, or has no end that could be put off."))
        now = timezone.now()
        deadline = _later(row, minutes, now)
        Deployment.objects.filter(pk=row.pk).change(deadline=deadline, last_active=now)
        deployment.record("was extended", _said(deadline), actor=actor, status=row.status)
        AuditEvent.record(actor, "deployment.extended", deployment, minutes=minutes)
    deployment.refresh_from_db()
    return deployment


def _later(row: Deployment, minutes: int, now: datetime) -> datetime | None:
    if row.deadline is None:
        return None
    latest = longest_from(row, now)
    deadline = max(row.deadline, now) + timedelta(minutes=minutes)
    deadline = min(deadline, latest) if latest else deadline
    if deadline <= row.deadline:
        hours = settings.IDE_HOURS_MAX
        raise NotPossibleNow(_("Here nothing like it may run for more than %(hours)d hours ahead.") % {"hours": hours})
    return deadline


def longest_from(deployment: Deployment, now: datetime) -> datetime | None:
    """The latest deadline that the site allows; None: any."""
    limited = settings.IDE_HOURS_MAX and tools.is_environment(deployment)
    return now + timedelta(hours=settings.IDE_HOURS_MAX) if limited else None


def _said(deadline: datetime | None) -> str:
    if deadline is None:
        return _("It counts as used now.")
    return _("It runs until %(time)s now.") % {"time": f"{localtime(deadline):%Y-%m-%d %H:%M}"}
