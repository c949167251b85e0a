"""What is attached to a deployment and how it goes, for its page and by REST: read from what its own task wrote."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from jobs import archive
from jobs.models import Deployment, Storage
from jobs.requests import DatasetRequest, StorageRequest

LINES = 200
BEGINS = "status: "
# The tasks that say how it goes; the later one knows better.
TASKS = ("storages", "storages-end")
TITLES: Mapping[str, str | Promise] = {
    "": _("not attached yet"),
    "preparing": _("being attached"),
    "attached": _("attached"),
    "broken": _("broken off"),
    "detached": _("detached"),
}
TONES = {"attached": "good", "broken": "bad"}
ICONS = {"attached": "check", "broken": "alert-triangle", "detached": "plug-connected-x"}


@dataclass(frozen=True)
class Attachment:
    """A storage of a deployment."""

    storage: str  # its id
    title: str
    path: str
    target: str
    mode: str
    read_only: bool
    state: str
    pending: int  # files that are not on the storage yet
    error: str

    @property
    def said(self) -> str | Promise:
        return TITLES.get(self.state, self.state)

    @property
    def tone(self) -> str:
        return TONES.get(self.state, "neutral")

    @property
    def icon(self) -> str:
        return ICONS.get(self.state, "hourglass")


def storages_of(deployment: Deployment) -> list[Attachment]:
    asked = [StorageRequest(**one) for one in deployment.request.get("storages") or ()]
    if not asked:
        return []
    states = _states(deployment)
    rows = Storage.objects.filter(pk__in=[one.storage for one in asked]).values_list("pk", "name")
    names = {str(pk): name for pk, name in rows}
    return [_attachment(one, names.get(one.storage, ""), states.get(one.target, {})) for one in asked]


def openable(deployment: Deployment, person: User) -> set[str]:
    """Ids of its storages whose files this person may see: an attached one may be somebody's own."""
    asked = [one["storage"] for one in deployment.request.get("storages") or ()]
    return {str(pk) for pk in Storage.objects.visible_to(person).filter(pk__in=asked).values_list("pk", flat=True)}


def datasets_of(deployment: Deployment) -> list[DatasetRequest]:
    return [DatasetRequest(**one) for one in deployment.request.get("datasets") or ()]


def _attachment(asked: StorageRequest, name: str, state: Mapping[str, Any]) -> Attachment:
    return Attachment(
        storage=asked.storage,
        title=name or asked.target,
        path=asked.path,
        target=asked.target,
        mode=asked.mode,
        read_only=asked.read_only,
        state=str(state.get("state", "")),
        pending=int(state.get("pending", 0)),
        error=str(state.get("error", "")),
    )


def _states(deployment: Deployment) -> dict[str, Any]:
    """By target; of a start before this one nothing is said."""
    found: dict[str, Any] = {}
    for task in TASKS:
        for said in _told(deployment, task):
            found |= said
    return found


def _told(deployment: Deployment, task: str) -> Iterator[dict[str, Any]]:
    text = archive.read(deployment, task, "stdout", tail=LINES).decode(errors="replace")
    this_life = text.rpartition("────\n")[2]
    for line in this_life.splitlines():
        if line.startswith(BEGINS):
            yield json.loads(line.removeprefix(BEGINS))
