"""Clients of a federated server: look, add, take away; and how its rounds went."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from pydantic import Field

from dashboard.api import problems
from dashboard.api.auth import WRITE
from dashboard.api.deployments import load
from dashboard.api.schemas import ListOut, Strict
from dashboard.federation_forms import InsideForm, OutsideForm
from dashboard.people import person
from jobs.federation import bundle, clients, reports
from jobs.federation.keys import NodeKey
from jobs.federation.members import is_server
from jobs.federation.places import place_of
from jobs.models import Deployment, FederationClient

router = Router(tags=["federated learning"])


class ClientIn(Strict):
    name: str
    inside: Annotated[bool, Field(description="True: start it as a deployment of the project.")] = False
    part: Annotated[int, Field(description="Inside only: which part of the data it takes, from 1.")] = 1
    parts: Annotated[int, Field(description="Inside only: of how many.")] = 2
    public_key: Annotated[str, Field(description="Outside only: of a key it has already. Empty: one is made.")] = ""


class ClientOut(Schema):
    id: UUID
    name: str
    public_key: str
    node: str | None
    deployment: UUID | None
    connected: bool
    last_seen: datetime | None
    revoked: datetime | None
    created: datetime

    @classmethod
    def fields_of(cls, client: FederationClient) -> dict[str, Any]:
        return {
            "id": client.pk,
            "name": client.name,
            "public_key": client.public_key,
            "node": client.node_id or None,
            "deployment": client.deployment_id,
            "connected": reports.is_online(client),
            "last_seen": client.last_seen,
            "revoked": client.revoked,
            "created": client.created,
        }

    @classmethod
    def of(cls, client: FederationClient) -> Self:
        return cls(**cls.fields_of(client))


class NewClientOut(ClientOut):
    """With what is given out this once."""

    private_key: Annotated[str | None, Field(description="In OpenSSH's form. Serai does not keep it.")]
    authority: Annotated[str | None, Field(description="PEM, for --root-certificates; none where systems know it.")]
    command: Annotated[str | None, Field(description="None while the server does not run.")]


class StartedClientOut(Schema):
    """A client that is a deployment; its key is made when it is sent."""

    deployment: UUID


class ClientList(ListOut):
    items: list[ClientOut]


@router.get(
    "deployments/{id}/clients",
    response=ClientList,
    operation_id="list_federation_clients",
    summary="Who may take part in a federated server, and who is connected",
)
def list_federation_clients(request: HttpRequest, id: UUID) -> HttpResponse | ClientList:
    rows = [ClientOut.of(row) for row in clients.clients_of(_server(request, id))]
    return ClientList(items=rows, count=len(rows), next=None)


@router.post(
    "deployments/{id}/clients",
    auth=WRITE,
    response={201: NewClientOut, 202: StartedClientOut},
    operation_id="add_federation_client",
    summary="Add a client: outside with a key shown once, or inside as a deployment",
)
def add_federation_client(request: HttpRequest, id: UUID, body: ClientIn) -> HttpResponse | Status[Schema]:
    server, actor = _server(request, id), person(request)
    form = (InsideForm if body.inside else OutsideForm)(body.model_dump())
    if not form.is_valid():
        return problems.invalid([(f"#/{name}", str(text)) for name, texts in form.errors.items() for text in texts])
    if body.inside:
        started = clients.add_inside(server, actor, **form.cleaned_data)
        return Status(202, StartedClientOut(deployment=started.pk))
    client, key = clients.add_outside(server, actor, **form.cleaned_data)
    return Status(201, _given_once(server, client, key))


@router.delete(
    "deployments/{id}/clients/{client}",
    auth=WRITE,
    response={204: None},
    operation_id="revoke_federation_client",
    summary="Take a client's key away, for good",
)
def revoke_federation_client(request: HttpRequest, id: UUID, client: UUID) -> HttpResponse | Status[None]:
    found = clients.client_named(_server(request, id), client)
    if found is None:
        return problems.not_found()
    clients.revoke(found, person(request))
    return Status(204, None)


def _given_once(server: Deployment, client: FederationClient, key: NodeKey | None) -> NewClientOut:
    place = place_of(server)
    return NewClientOut(
        **ClientOut.fields_of(client),
        private_key=key.private if key else None,
        authority=place.authority or None if place else None,
        command=bundle.command(place) if place else None,
    )


def _server(request: HttpRequest, pk: UUID) -> Deployment:
    found = load(request, pk)
    return found if is_server(found) else get_object_or_404(Deployment.objects.none(), pk=pk)
