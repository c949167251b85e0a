"""What the page of a federated server shows: clients, rounds, and how each figure went."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs.federation import bundle, clients, reports
from jobs.federation.members import is_server
from jobs.federation.places import place_of
from jobs.models import FINAL, Deployment, FederationClient, Status


@dataclass(frozen=True)
class ShownClient:
    row: FederationClient
    word: str
    tone: str  # of its badge
    icon: str

    @property
    def inside(self) -> Deployment | None:
        return self.row.deployment


def shown_clients(server: Deployment) -> list[ShownClient]:
    return [_shown(row) for row in clients.clients_of(server)]


def _shown(row: FederationClient) -> ShownClient:
    if row.revoked:
        return ShownClient(row, _("taken away"), "neutral", "lock")
    if row.deployment and (row.deployment.deleted or row.deployment.status in FINAL):
        return ShownClient(row, _("stopped"), "neutral", "player-stop")
    if reports.is_online(row):
        return ShownClient(row, _("connected"), "good", "check")
    return ShownClient(row, _("not connected"), "neutral", "hourglass")


def progress(server: Deployment) -> dict[str, Any]:
    """Where the run is: a sentence, and how many of the rounds are done."""
    told = server.result or {}
    asked, done = int(server.request["options"].get("rounds", 0)), len(told.get("rounds", []))
    return {"sentence": _sentence(server, told, asked), "rounds": told.get("rounds", []), "done": done, "asked": asked}


def _sentence(server: Deployment, told: dict[str, Any], asked: int) -> str:
    phase, now = told.get("phase", ""), told.get("now") or {}
    if phase == "failed":
        return _("The run failed: %(why)s") % {"why": told.get("problem") or _("the log says why.")}
    if phase == "finished":
        return _("All %(count)d rounds are done. The joint model is in the storage and in MLflow.") % {"count": asked}
    if server.status in FINAL:
        return _("It was stopped before all rounds were done. What was learned until then is kept.")
    if server.status != Status.RUNNING:
        return _("The server is not ready yet.")
    if phase == "running":
        return _running(now, asked)
    return _waiting(server)


def _running(now: dict[str, Any], asked: int) -> str:
    if "waiting" in now:
        text = _("Round %(round)d of %(asked)d waits until enough clients are connected.")
        return text % {"round": now["waiting"], "asked": asked}
    if "began" in now:
        text = _("Round %(round)d of %(asked)d: %(count)d clients were asked.")
        return text % {"round": now["began"], "asked": asked, "count": now.get("asked") or 0}
    return _("The run has begun.")


def _waiting(server: Deployment) -> str:
    wanted = int(server.request["options"].get("start_clients", 2))
    there = sum(reports.is_online(row) for row in clients.clients_of(server))
    text = ngettext(
        "It begins as soon as %(wanted)d client is connected; %(there)d is.",
        "It begins as soon as %(wanted)d clients are connected; %(there)d are.",
        wanted,
    )
    return text % {"wanted": wanted, "there": there}


def series(server: Deployment) -> list[dict[str, Any]]:
    """How each figure went over the rounds, as the charts take it; the joint model's first."""
    rounds = (server.result or {}).get("rounds", [])
    names = dict.fromkeys((group, name) for group in reports.GROUPS[::-1] for told in rounds for name in told[group])
    return [_line(rounds, group, name) for group, name in names]


def _line(rounds: list[dict[str, Any]], group: str, name: str) -> dict[str, Any]:
    points = [(told["round"], told[group][name]) for told in rounds if name in told[group]]
    return {
        "name": f"{_group_title(group)}: {name.replace('_', ' ')}",
        "steps": [step for step, _value in points],
        "values": [value for _step, value in points],
    }


def _group_title(group: str) -> str:
    titles = {"joint": _("joint model"), "evaluate": _("on the clients"), "train": _("training")}
    return titles[group]


def how_to_join(server: Deployment) -> str:
    """The command for a client outside, as long as the server runs; empty else."""
    place = place_of(server) if server.status in (Status.RUNNING, Status.UNKNOWN) else None
    return bundle.command(place) if place else ""


def page_parts(server: Deployment) -> dict[str, Any]:
    """What the page of a deployment shows beside all others' parts, if it is a federated server."""
    if not is_server(server):
        return {}
    return {
        "federated": True,
        "clients": shown_clients(server),
        "command": how_to_join(server),
        "progress": progress(server),
    }
