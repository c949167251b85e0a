"""How much a person and a project may hold at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import AuditEvent, Capability, Project, User

from . import home_sizes
from .models import Deployment, DeploymentQuerySet, Quota
from .refusals import QuotaExceeded
from .requests import ResourceRequest

HOME = "home_mb"
TITLES: Mapping[str, str | Promise] = {
    "deployments": gettext_lazy("deployments"),
    "cpu_cores": gettext_lazy("CPU cores"),
    "memory_mb": gettext_lazy("MB of memory"),
    "gpus": gettext_lazy("GPUs"),
    HOME: gettext_lazy("MB in the home"),
}
MACHINES = tuple(name for name in TITLES if name != HOME)  # what deployments hold


@dataclass(frozen=True)
class Meter:
    """One thing that is counted, how much of it may be held at once, and how much is held now."""

    name: str
    limit: float
    used: float

    @property
    def title(self) -> str:
        return str(TITLES[self.name])

    @property
    def left(self) -> float:
        return max(0, self.limit - self.used)


def meters(holder: Project | User) -> tuple[Meter, ...]:
    """What deployments hold, and how full the home is: of a person, the one of their own project."""
    home = holder if isinstance(holder, Project) else holder.personal_project
    return (*_of_machines(holder), home_meter(home))


def home_meter(project: Project) -> Meter:
    return Meter(HOME, home_limit_mb(project), home_sizes.lately(project) / 1_000_000)


def home_limit_mb(project: Project) -> float:
    """Of a person's own project it is the person's, unless an administrator set one for the project itself."""
    own, person = own_limits(project)[HOME], project.personal_of
    if own is not None:
        return own
    return limits_of(person)[HOME] if person else defaults_for(project)[HOME]


def _of_machines(holder: Project | User) -> tuple[Meter, ...]:
    limits = limits_of(holder)
    used = _held(_deployments_of(holder))
    return tuple(Meter(name, limits[name], used[name]) for name in MACHINES)


def limits_of(holder: Project | User) -> dict[str, float]:
    """The site's defaults, but for what an administrator set for this one."""
    return {**defaults_for(holder), **{name: limit for name, limit in own_limits(holder).items() if limit is not None}}


def defaults_for(holder: Project | User) -> Mapping[str, float]:
    return settings.QUOTA_OF_PROJECT if isinstance(holder, Project) else settings.QUOTA_OF_PERSON


def own_limits(holder: Project | User) -> dict[str, float | None]:
    """What an administrator set for this one; None: the site's default holds."""
    row = Quota.objects.filter(**_of(holder)).first()
    return {name: getattr(row, name, None) for name in TITLES}


def set_limits(holder: Project | User, actor: User, limits: Mapping[str, float | None]) -> None:
    """None: the site's default again. What runs goes on, also above a lower limit; only no more starts."""
    must_administer(actor)
    with transaction.atomic():
        Quota.objects.update_or_create(**_of(holder), defaults=dict(limits))
        AuditEvent.record(actor, "quota.changed", holder, **limits)


def must_administer(actor: User) -> None:
    if not actor.can(Capability.ADMINISTER):
        raise PermissionDenied(_("Only administrators of the platform change how much somebody may hold."))


def _of(holder: Project | User) -> dict[str, Any]:
    return {"project": holder} if isinstance(holder, Project) else {"person": holder}


def lock(*, project: Project, owner: User) -> None:
    """Make everybody else who asks for the same shares wait until this transaction ends."""
    # SQLite has no row locks and needs none: its transactions begin with the one write lock. Not the key: whoever
    # only refers to them, as a line of the audit does, needs not wait, and so cannot wait in a circle.
    User.objects.select_for_update(no_key=True).get(pk=owner.pk)
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)


def check(resources: ResourceRequest, *, project: Project, owner: User) -> None:
    """Raise QuotaExceeded unless both shares have room for this; true for as long as ``lock`` holds."""
    lacking = [*_lacking(resources, owner, _("You hold")), *_lacking(resources, project, _("This project holds"))]
    if lacking:
        raise QuotaExceeded(" ".join(lacking) + " " + _("Stop something that is no longer needed, or ask for more."))


def check_limits(resources: ResourceRequest, *, project: Project, owner: User) -> None:
    """Raise QuotaExceeded for what would not fit even if nothing else were held."""
    for holder, whose in ((owner, _("You may hold")), (project, _("This project may hold"))):
        limits, asked = limits_of(holder), _ask(resources)
        for name, amount in asked.items():
            if amount > limits[name]:
                values = {"whose": whose, "limit": limits[name], "title": str(TITLES[name]), "asked": amount}
                text = _("%(whose)s at most %(limit)g %(title)s, and %(asked)g are asked for. Ask for less.")
                raise QuotaExceeded(text % values)


def lacks(resources: ResourceRequest, holder: Project | User) -> str:
    """What this one's share lacks for it; empty if there is room."""
    return " ".join(_lacking(resources, holder, _("You hold")))


def _lacking(resources: ResourceRequest, holder: Project | User, who: str) -> Iterator[str]:
    asked = _ask(resources)
    for meter in _of_machines(holder):
        if asked[meter.name] > meter.left:
            yield _("%(who)s %(used)g of %(limit)g %(title)s and ask for %(asked)g more.") % {
                "who": who,
                "used": meter.used,
                "limit": meter.limit,
                "title": meter.title,
                "asked": asked[meter.name],
            }


def _ask(resources: ResourceRequest) -> dict[str, float]:
    return {
        "deployments": 1,
        "cpu_cores": resources.cpu_cores,
        "memory_mb": resources.memory_mb,
        "gpus": resources.gpus,
    }


def _deployments_of(holder: Project | User) -> DeploymentQuerySet:
    rows = Deployment.objects.holding_quota()
    if isinstance(holder, Project):
        return rows.filter(project=holder)
    # Whoever left a project cannot stop there any more what they started: it is the project's alone.
    return rows.filter(owner=holder, project__memberships__user=holder)


def _held(rows: DeploymentQuerySet) -> dict[str, float]:
    requests = [request["resources"] for request in rows.values_list("request", flat=True)]
    return {
        "deployments": len(requests),
        **{name: sum(request.get(name, 0) for request in requests) for name in ("cpu_cores", "memory_mb", "gpus")},
    }
