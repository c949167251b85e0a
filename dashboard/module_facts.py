"""What the marketplace's pages say of an asset: its icons, its hardware, and what this person may do with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import Capability, User
from dashboard.forms import DeployForm, plan_of
from dashboard.looks import Look
from jobs.placement import Plan
from marketplace import metadata
from marketplace.findings import Level
from marketplace.models import Asset, Condition, Kind

DATA_LOOKS = {
    "Image": Look(gettext_lazy("pictures"), icon="photo", tone="neutral"),
    "Text": Look(gettext_lazy("text"), icon="file-text", tone="neutral"),
    "Time Series": Look(gettext_lazy("time series"), icon="chart-line", tone="neutral"),
    "Tabular": Look(gettext_lazy("tables"), icon="table", tone="neutral"),
    "Graph": Look(gettext_lazy("graphs"), icon="affiliate", tone="neutral"),
    "Audio": Look(gettext_lazy("sound"), icon="volume", tone="neutral"),
    "Video": Look(gettext_lazy("video"), icon="video", tone="neutral"),
    "Other": Look(gettext_lazy("other data"), icon="file", tone="neutral"),
}
UNKNOWN_DATA = Look("", icon="file", tone="neutral")

# Of what is fine nothing is said on a card.
CONDITION_LOOKS = {
    Condition.VALID: Look(gettext_lazy("valid"), icon="check", tone="good"),
    Condition.WARNINGS: Look(gettext_lazy("valid, with remarks"), icon="info-circle", tone="neutral"),
    Condition.OUTDATED: Look(gettext_lazy("newest version is broken"), icon="alert-triangle", tone="warning"),
    Condition.NEEDS_REPAIR: Look(gettext_lazy("needs repair"), icon="alert-triangle", tone="warning"),
}
LEVEL_LOOKS = {
    Level.ERROR: Look(gettext_lazy("error"), icon="alert-circle", tone="bad"),
    Level.WARNING: Look(gettext_lazy("warning"), icon="alert-triangle", tone="warning"),
    Level.INFO: Look(gettext_lazy("note"), icon="info-circle", tone="neutral"),
}


@dataclass(frozen=True)
class Card:
    """One asset in a list."""

    asset: Asset
    data: tuple[tuple[str, Look], ...]
    hardware: str
    condition: Look | None

    @classmethod
    def of(cls, asset: Asset) -> "Card":
        data = tuple((str(look.text) or kind, look) for kind, look in _data_looks(asset))
        return cls(asset, data, hardware(asset.resources("inference")), _remarkable(asset))


def _data_looks(asset: Asset) -> Iterator[tuple[str, Look]]:
    for kind in asset.data_types:
        yield kind, DATA_LOOKS.get(kind, UNKNOWN_DATA)


def _remarkable(asset: Asset) -> Look | None:
    return CONDITION_LOOKS[Condition(asset.condition)] if asset.is_broken else None


def hardware(asked: Mapping[str, float]) -> str:
    """What the author asks for, in a few words; nothing if they say nothing."""
    parts = []
    if cores := asked.get("cpu"):
        parts.append(ngettext("%g core", "%g cores", round(cores)) % cores)
    if memory := asked.get("memory_MB"):
        parts.append(_("%g GB memory") % round(memory / 1000, 1))
    if gpus := asked.get("gpu"):
        least = asked.get("gpu_memory_MB")
        size = _(" of %g GB") % round(least / 1000, 1) if least else ""
        parts.append(ngettext("%g GPU", "%g GPUs", round(gpus)) % gpus + size)
    return ", ".join(parts)


def facts(asset: Asset) -> list[tuple[str, str]]:
    """(label, value) pairs for the side of its page."""
    return [
        (_("Kind"), asset.get_kind_display()),
        (_("Licence"), asset.licence),
        (_("Hardware to run"), hardware(asset.resources("inference"))),
        (_("Hardware to train"), hardware(asset.resources("training"))),
        (_("Created"), str(asset.created or "")),
        (_("Updated"), str(asset.updated or "")),
        (_("Id"), asset.slug),
    ]


def origin(asset: Asset) -> list[tuple[str, str]]:
    return [
        (_("Source"), asset.source.title),
        (_("There"), "" if asset.origin == "." else asset.origin),
        (_("Revision"), asset.revision[:12]),
        (_("Container image"), asset.docker_image),
        # A folder's place on this machine is nobody's business.
        (_("Package"), asset.package if asset.package.startswith("git+") else ""),
        (_("Version of the package"), asset.package_digest[:12]),
        (_("DOI"), metadata.doi(asset.metadata.get("doi"))),
    ]


# ── What to do with it ───────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Action:
    """A button; with a reason it is disabled, and the reason stands beside it."""

    title: str | Promise
    icon: str
    url: str
    reason: str = ""
    primary: bool = False


def actions(asset: Asset, user: User, plan: Plan | None) -> list[Action]:
    deploy, train = reverse("deploy", args=[asset.slug]), reverse("train", args=[asset.slug])
    listed = [Action(_("Deploy"), icon="rocket", url=deploy, reason=_no_place(asset, user, plan), primary=True)]
    if asset.kind == Kind.MODULE:
        listed.append(Action(_("Train"), icon="chart-line", url=train, reason=_no_training(asset, user, plan)))
    if asset.kind == Kind.MODULE and not asset.trainable and user.can(Capability.TRAIN):
        url = f"{train}#script"
        listed.append(Action(_("Run a script"), icon="file-text", url=url, reason=_no_place(asset, user, plan)))
    return listed


def reasons(listed: Sequence[Action]) -> list[tuple[str, str]]:
    """(which buttons, why not) for those that are disabled, each reason once."""
    grouped: dict[str, list[str]] = {}
    for action in listed:
        if action.reason:
            grouped.setdefault(action.reason, []).append(str(action.title))
    return [(", ".join(titles), reason) for reason, titles in grouped.items()]


def _no_place(asset: Asset, user: User, plan: Plan | None) -> str:
    if asset.gone:
        return _("It has left its source, so it can no longer be deployed. What runs of it goes on.")
    if not asset.runtimes:
        return _("It names neither a container image nor a package, so nothing can run it.")
    if not user.can(Capability.USE):
        return _("Your account may look, not deploy. Ask an administrator for more.")
    if plan is not None and not plan.choices:
        return _("No datacenter here can run it; “Where it can run” says why.")
    return ""


def _no_training(asset: Asset, user: User, plan: Plan | None) -> str:
    if not asset.trainable:
        return _("Its author offers no training.")
    if not user.can(Capability.TRAIN):
        return _("Your account may use modules, not train them. Ask an administrator for more.")
    return _no_place(asset, user, plan)


def plan_for(asset: Asset, user: User) -> Plan | None:
    """Where it would run as its author asks; None where the author asks for what no form takes."""
    form = DeployForm(owner=user, asset=asset).untouched()
    return plan_of(form) if form.is_valid() else None
