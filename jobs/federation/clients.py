"""Who may take part in a federated server: adding clients, taking their keys away."""

import re
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, User
from jobs import services, tools
from jobs.models import FINAL, Deployment, FederationClient
from jobs.refusals import FieldError, NotPossibleNow, RequestRefused
from jobs.requests import DeployRequest, ResourceRequest
from marketplace.models import Asset, Kind

from .keys import NodeKey, NoKey, checked_public_key, new_node_key
from .members import CLIENT_TOOL, is_server

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}")
CLIENTS_AT_MOST = 500


def clients_of(server: Deployment) -> "QuerySet[FederationClient]":
    return FederationClient.objects.filter(server=server).select_related("deployment", "created_by")


def add_outside(
    server: Deployment, actor: User, *, name: str, public_key: str = ""
) -> tuple[FederationClient, NodeKey | None]:
    """A client that runs elsewhere. Its private key is given back here and kept nowhere; None if it has its own.

    Raises RequestRefused or PermissionDenied.
    """
    _may_change(server, actor)
    name = _checked_name(server, name)
    made = None if public_key.strip() else new_node_key()
    key = made.public if made else _checked_key(server, public_key)
    try:
        with transaction.atomic():
            client = FederationClient.objects.create(server=server, name=name, public_key=key, created_by=actor)
            _note(server, actor, "client added", _("“%(name)s” may take part.") % {"name": name})
            AuditEvent.record(actor, "federation.client-added", server, client=name)
    except IntegrityError:  # another one was quicker
        raise RequestRefused(_taken(name)) from None
    return client, made


def add_inside(server: Deployment, actor: User, *, name: str, part: int, parts: int) -> Deployment:
    """A client that is a deployment of the same project; its key is made when it is sent.

    Raises RequestRefused, QuotaExceeded or PermissionDenied.
    """
    _may_change(server, actor)
    asset = Asset.objects.listed().filter(kind=Kind.TOOL, origin=f"tool:{CLIENT_TOOL}").first()
    tool = tools.tool_of(asset)
    if asset is None or tool is None:
        raise NotPossibleNow(_("The tool for federated clients is switched off here. Ask an administrator."))
    resources = {key: tool.resources[key] for key in ("cpu_cores", "memory_mb", "disk_mb")}
    request = DeployRequest(
        asset=asset.slug,
        title=_checked_name(server, name),
        project=server.project.slug,
        resources=ResourceRequest(
            float(resources["cpu_cores"]), int(resources["memory_mb"]), int(resources["disk_mb"])
        ),
        options={"server": str(server.pk), "part": part, "parts": parts},
    )
    return services.deploy(request, owner=actor)


def revoke(client: FederationClient, actor: User) -> None:
    """From now on the server refuses its key; a deployment of ours that has it stops."""
    server = client.server
    _may_change(server, actor)
    with transaction.atomic():
        if not FederationClient.objects.filter(pk=client.pk, revoked=None).update(revoked=timezone.now()):
            return
        _note(server, actor, "client removed", _("“%(name)s” may no longer take part.") % {"name": client.name})
        AuditEvent.record(actor, "federation.client-revoked", server, client=client.name)
    if client.deployment is not None and client.deployment.status not in FINAL:
        services.stop(client.deployment, actor, reason=_("Its key was taken away on the page of its server."))


def client_named(server: Deployment, pk: UUID) -> FederationClient | None:
    return clients_of(server).filter(pk=pk).first()


def _note(server: Deployment, actor: User, verb: str, sentence: str) -> None:
    server.record(verb, sentence, actor=actor)
    Deployment.objects.filter(pk=server.pk).change()


def _may_change(server: Deployment, actor: User) -> None:
    if not is_server(server):
        raise NotPossibleNow(_("This is no federated server: it has no clients."))
    if why_not := services.why_not_change(server, actor):
        raise PermissionDenied(why_not)


def _checked_name(server: Deployment, name: str) -> str:
    """The name of a client that may be added. Raises NotPossibleNow when there is room for none."""
    if clients_of(server).count() >= CLIENTS_AT_MOST:
        raise NotPossibleNow(_("A federated server has at most %(most)d clients.") % {"most": CLIENTS_AT_MOST})
    name = name.strip()
    if not NAME.fullmatch(name):
        text = _(
            "A name has 1 to 60 letters, digits, blanks, dots, hyphens or underscores, and begins with the first two."
        )
        raise RequestRefused(FieldError("#/name", text))
    if clients_of(server).filter(name=name).exists():
        raise RequestRefused(_taken(name))
    return name


def _taken(name: str) -> FieldError:
    return FieldError(
        "#/name", _("There is a client “%(name)s” already, or was one. Choose another name.") % {"name": name}
    )


def _checked_key(server: Deployment, public_key: str) -> str:
    try:
        key = checked_public_key(public_key)
    except NoKey as error:
        raise RequestRefused(FieldError("#/public_key", str(error))) from None
    if clients_of(server).filter(public_key=key).exists():
        raise RequestRefused(FieldError("#/public_key", _("Another client has this key, or had it.")))
    return key
