"""Which deployments are federated servers and clients, and who a client is."""

from collections.abc import Iterator
from uuid import UUID

from django.utils.translation import gettext as _

from accounts.models import Project
from jobs import tools
from jobs.models import Deployment, DeploymentSecret, FederationClient
from jobs.refusals import FieldError
from jobs.requests import DeployRequest
from marketplace.models import Asset

from .keys import new_node_key

SERVER_TOOL, CLIENT_TOOL = "flower", "flower-client"
NODE_KEY = "NODE_KEY"


def is_server(deployment: Deployment) -> bool:
    return _is(deployment.asset, SERVER_TOOL)


def is_client(deployment: Deployment) -> bool:
    return _is(deployment.asset, CLIENT_TOOL)


def server_of(client: Deployment) -> Deployment | None:
    """The federated server that a client's form names, if it is of the same project."""
    return _server(client.project, client.request["options"].get("server", ""))


def identity_of(client: Deployment, server: Deployment) -> tuple[FederationClient, str]:
    """The row and the private key of a client that is a deployment; made at the first asking."""
    secret = DeploymentSecret.objects.filter(deployment=client, name=NODE_KEY).first()
    row = FederationClient.objects.filter(deployment=client).first()
    if secret is None or row is None:
        key = new_node_key()
        values = {"server": server, "name": _free_name(server, client.title), "public_key": key.public}
        row = FederationClient.objects.create(deployment=client, created_by=client.owner, **values)
        kept = {"value": key.private}
        secret, _made = DeploymentSecret.objects.update_or_create(deployment=client, name=NODE_KEY, defaults=kept)
    return row, str(secret.value)


def errors(request: DeployRequest, asset: Asset) -> Iterator[FieldError]:
    """What is wrong with a request for a client, beside its server (``tools.references`` says that)."""
    if not _is(asset, CLIENT_TOOL):
        return
    if request.options.get("part", 1) > request.options.get("parts", 2):
        yield FieldError("#/options/part", _("There are not so many parts."))


def _is(asset: Asset | None, tool_id: str) -> bool:
    tool = tools.tool_of(asset)
    return tool is not None and tool.id == tool_id


def _server(project: Project, text: object) -> Deployment | None:
    try:
        pk = UUID(str(text).strip())
    except ValueError:
        return None
    found = Deployment.objects.with_parts().filter(pk=pk, project=project, deleted=None).first()
    return found if found and is_server(found) else None


def _free_name(server: Deployment, title: str) -> str:
    taken = set(FederationClient.objects.filter(server=server).values_list("name", flat=True))
    title = title[:54]
    numbered = (f"{title} {number}" for number in range(2, len(taken) + 3))
    return next(name for name in (title, *numbered) if name not in taken)
