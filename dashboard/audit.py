"""Who did what, in words: events of the audit as pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, Project, User
from jobs.models import Deployment

# Each is followed by what it is about: "Ada deployed My digits".
WORDS: Mapping[str, str | Promise] = {
    "deployment.created": _("deployed"),
    "deployment.stopped": _("stopped"),
    "deployment.started": _("started again"),
    "deployment.restarted": _("restarted"),
    "deployment.deleted": _("deleted"),
    "deployment.restored": _("restored"),
    "project.created": _("started the project"),
    "project.renamed": _("renamed the project"),
    "project.archived": _("archived the project"),
    "project.restored": _("opened again the project"),
    "member.added": _("added somebody to"),
    "member.changed": _("changed a role in"),
    "member.removed": _("took somebody out of"),
    "member.left": _("left"),
    "quota.changed": _("changed the limits of"),
    "source.added": _("added a source"),
    "source.switched_on": _("switched on a source"),
    "source.switched_off": _("switched off a source"),
    "token.created": _("made a token"),
    "token.revoked": _("revoked a token"),
    "signin_link.created": _("made a sign-in link"),
    "user.created": _("joined"),
    "user.invited": _("invited"),
    "user.changed": _("changed the account"),
    "user.switched-on": _("switched on the account"),
    "user.switched-off": _("switched off the account"),
    "user.signed-in": _("signed in"),
    "user.signin-refused": _("gave a wrong password for"),
    "user.password-changed": _("set a new password"),
}


@dataclass(frozen=True)
class Line:
    at: datetime
    actor: User | None
    words: str | Promise
    title: str
    url: str
    project: Project | None  # where it is another thing than what this is about
    detail: str


def lines(events: Sequence[AuditEvent], reader: User) -> list[Line]:
    """Each with the title of what it is about, and the way there where the reader may go."""
    titles = {"user": _users(events), "project": _projects(events), "deployment": _deployments(events)}
    open_to = set(_rows(Deployment.objects.visible_to(reader), _ids(events, "deployment"), "title"))
    return [
        Line(
            at=event.at,
            actor=event.actor,
            words=WORDS.get(event.action, event.action),
            title="" if _about_oneself(event) else titles.get(event.object_type, {}).get(event.object_id, ""),
            url=reverse("deployment", args=[event.object_id]) if event.object_id in open_to else "",
            project=None if event.object_type == "project" else event.project,
            detail=", ".join(f"{name}: {_text(value)}" for name, value in event.detail.items()),
        )
        for event in events
    ]


def _about_oneself(event: AuditEvent) -> bool:
    return event.object_type == "user" and event.object_id == str(event.actor_id)


def _users(events: Sequence[AuditEvent]) -> dict[str, str]:
    return _rows(User.objects.all(), _ids(events, "user"), "username")


def _projects(events: Sequence[AuditEvent]) -> dict[str, str]:
    return _rows(Project.objects.all(), _ids(events, "project"), "name")


def _deployments(events: Sequence[AuditEvent]) -> dict[str, str]:
    return _rows(Deployment.objects.all(), _ids(events, "deployment"), "title")


def _ids(events: Sequence[AuditEvent], kind: str) -> list[str]:
    return [event.object_id for event in events if event.object_type == kind]


def _rows(rows: Any, ids: list[str], field: str) -> dict[str, str]:
    return {str(pk): text for pk, text in rows.filter(pk__in=ids).values_list("pk", field)} if ids else {}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "–" if value is None else str(value)
