"""Who did what, in words: events of the audit as pages show them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, AuditEventQuerySet, Capability, Project, User
from datacenters.models import Cluster, Node
from jobs.models import Deployment, Storage, Sweep

# Each is followed by what it is about: "Ada deployed My digits".
WORDS: Mapping[str, str | Promise] = {
    "deployment.created": _("deployed"),
    "deployment.stopped": _("stopped"),
    "deployment.started": _("started again"),
    "deployment.restarted": _("restarted"),
    "deployment.extended": _("extended"),
    "deployment.credentials_shown": _("looked at the login of"),
    "deployment.deleted": _("deleted"),
    "federation.client-added": _("added a client to"),
    "federation.client-revoked": _("took a client away from"),
    "deployment.restored": _("restored"),
    "sweep.created": _("started the sweep"),
    "sweep.stopped": _("stopped the sweep"),
    "project.created": _("started the project"),
    "project.renamed": _("renamed the project"),
    "project.archived": _("archived the project"),
    "project.restored": _("opened again the project"),
    "member.added": _("added somebody to"),
    "member.changed": _("changed a role in"),
    "member.removed": _("took somebody out of"),
    "member.left": _("left"),
    "quota.changed": _("changed the limits of"),
    "preference.changed": _("chose what counts most for"),
    "cluster.added": _("added the cluster"),
    "cluster.changed": _("changed the cluster"),
    "cluster.tested": _("tested the cluster"),
    "cluster.removed": _("removed a cluster"),
    "cluster.project_token_given": _("gave a project its token in"),
    "cluster.project_token_forgotten": _("forgot a project's token in"),
    "cluster.token_renewed": _("renewed Serai's token in"),
    "node.taken-out": _("took out the node"),
    "node.taken-in": _("took in the node"),
    "node.drained": _("began to empty the node"),
    "node.test-asked": _("asked for a test of the node"),
    "node.drain-ended": _("stopped emptying the node"),
    "storage.linked": _("linked the storage"),
    "storage.changed": _("changed the storage"),
    "storage.unlinked": _("unlinked a storage"),
    "storage.written": _("put a file into"),
    "storage.deleted": _("deleted a file of"),
    "storage.moved": _("moved a file of"),
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
    "user.rules-applied": _("got the rights that the sign-in’s rules give"),
    "user.connected": _("can sign in elsewhere, too,"),
    "user.disconnected": _("can no longer sign in elsewhere"),
    "user.signin-refused": _("gave a wrong password for"),
    "user.password-changed": _("set a new password"),
}


@dataclass(frozen=True)
class Thing:
    """A kind of object that the audit tells of: who may see one, what it is called, where its page is."""

    model: Any  # a model with objects
    seen_by: Callable[[User], QuerySet[Any]]
    title: str  # a field
    page: str = ""  # name of the URL, which takes the key
    key: str = "pk"


def _people_seen_by(reader: User) -> QuerySet[User]:
    return User.objects.all() if reader.can(Capability.ADMINISTER) else User.objects.none()


def _clusters_seen_by(reader: User) -> QuerySet[Cluster]:
    return Cluster.objects.all() if reader.can(Capability.OPERATE) else Cluster.objects.none()


def _nodes_seen_by(reader: User) -> QuerySet[Node]:
    return Node.objects.all() if reader.can(Capability.OPERATE) else Node.objects.none()


# One line a kind, by its model's name: then pages name and link it, `{% history thing %}` works on its
# page, and REST's `audit?object=` tells everyone who may see it.
THINGS: Mapping[str, Thing] = {
    "cluster": Thing(Cluster, _clusters_seen_by, "name", page="cluster", key="name"),
    "deployment": Thing(Deployment, Deployment.objects.visible_to, "title", page="deployment"),
    "node": Thing(Node, _nodes_seen_by, "name", page="node"),
    "project": Thing(Project, Project.objects.visible_to, "name", page="project", key="slug"),
    "storage": Thing(Storage, Storage.objects.visible_to, "name", page="storage"),
    "sweep": Thing(Sweep, Sweep.objects.visible_to, "title", page="sweep"),
    "user": Thing(User, _people_seen_by, "username", page="person", key="username"),
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


@dataclass(frozen=True)
class _Names:
    """What the objects of some events are called, and where those pages are that the reader may open."""

    titles: Mapping[tuple[str, str], str]
    pages: Mapping[tuple[str, str], str]

    @classmethod
    def of(cls, events: Sequence[AuditEvent], reader: User) -> "_Names":
        titles: dict[tuple[str, str], str] = {}
        pages: dict[tuple[str, str], str] = {}
        for kind, thing in THINGS.items():
            ids = [event.object_id for event in events if event.object_type == kind]
            if ids:
                titles |= _column(kind, thing.model.objects.filter(pk__in=ids), thing.title)
            if ids and thing.page:
                keys = _column(kind, thing.seen_by(reader).filter(pk__in=ids), thing.key)
                pages |= {name: reverse(thing.page, args=[key]) for name, key in keys.items()}
        return cls(titles, pages)


def lines(events: Sequence[AuditEvent], reader: User) -> list[Line]:
    """Each with the title of what it is about, and the way there where the reader may go."""
    names = _Names.of(events, reader)
    return [_line(event, names) for event in events]


def history(thing: Model, reader: User) -> list[Line]:
    """Who did what to this one object, newest first; for pages of objects that the reader may see."""
    return lines(
        list(AuditEvent.objects.about(thing).select_related("actor", "project").order_by("-at", "-pk")), reader
    )


def told_to(reader: User, object_id: str = "") -> AuditEventQuerySet:
    """What this person may read: all that the audit's rows say, and everything about the one object they may see."""
    rows = AuditEvent.objects.visible_to(reader)
    for kind, thing in THINGS.items():
        if object_id and _is_seen(thing, object_id, reader):
            rows |= AuditEvent.objects.filter(object_type=kind, object_id=object_id)
    return rows


def _is_seen(thing: Thing, object_id: str, reader: User) -> bool:
    try:
        key = thing.model._meta.pk.to_python(object_id)
    except ValidationError:
        return False  # of another kind: ids of some are numbers, of others not
    return thing.seen_by(reader).filter(pk=key).exists()


def _line(event: AuditEvent, names: _Names) -> Line:
    name = (event.object_type, event.object_id)
    return Line(
        at=event.at,
        actor=event.actor,
        words=WORDS.get(event.action, event.action),
        title="" if _about_oneself(event) else names.titles.get(name, ""),
        url=names.pages.get(name, ""),
        project=None if event.object_type == "project" else event.project,
        detail=", ".join(f"{name}: {_text(value)}" for name, value in event.detail.items()),
    )


def _about_oneself(event: AuditEvent) -> bool:
    return event.object_type == "user" and event.object_id == str(event.actor_id)


def _column(kind: str, rows: QuerySet[Any], field: str) -> dict[tuple[str, str], str]:
    return {(kind, str(pk)): str(value) for pk, value in rows.values_list("pk", field)}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "–" if value is None else str(value)
