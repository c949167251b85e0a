"""What people say of places: energy and cost of a datacenter, where a storage lies, what counts most."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from accounts.models import Project, User
from dashboard import placing
from dashboard.api import problems
from dashboard.api.auth import WRITE
from dashboard.api.schemas import Strict
from dashboard.api.storages import load
from dashboard.clusters import must_operate
from dashboard.people import person
from dashboard.placing_forms import FavourForm, FootprintForm, StoragePlaceForm
from datacenters import carbon
from datacenters.models import Datacenter
from jobs import planning
from jobs.models import Storage

router = Router(tags=["placement"])
Wish = Literal["fast", "near", "green", "cheap"]


class FootprintIn(Strict):
    """What is missing stays as it is."""

    country: Annotated[str, Field(description="Two letters, as ES.")] = ""
    pue: float | None = None
    carbon_source: Literal["", "constant", "service"] = ""
    carbon_grams: Annotated[float | None, Field(description="For a constant source: g of CO₂ for each kWh.")] = None
    cost: Literal["", "low", "normal", "high"] = ""


class CarbonOut(Schema):
    at: datetime
    grams_per_kwh: float


class FootprintOut(Schema):
    datacenter: str
    country: str
    pue: float | None
    carbon_source: str
    carbon_grams: float | None
    cost: str
    asked: Annotated[datetime | None, Field(description="When its source was last asked.")]
    problem: Annotated[str | None, Field(description="Why that had no answer.")]
    carbon: Annotated[list[CarbonOut], Field(description="What was measured in the last 24 hours, oldest first.")]

    @classmethod
    def of(cls, datacenter: Datacenter) -> Self:
        row = placing.footprint_of(datacenter)
        measured = [CarbonOut(at=at, grams_per_kwh=grams) for at, grams in carbon.recent(datacenter)]
        fields = ("country", "pue", "carbon_source", "carbon_grams", "cost", "asked")
        values: dict[str, Any] = {name: getattr(row, name) for name in fields}
        return cls(datacenter=datacenter.name, problem=row.problem or None, carbon=measured, **values)


class StoragePlaceIn(Strict):
    datacenter: str | None = None
    country: str = ""


class StoragePlaceOut(Schema):
    datacenter: str | None
    country: str

    @classmethod
    def of(cls, storage: Storage) -> Self:
        return cls(datacenter=storage.datacenter.name if storage.datacenter else None, country=storage.country)


class FavourIn(Strict):
    favour: Annotated[Wish | None, Field(description="null: no choice of its own.")]


class FavourOut(Schema):
    favour: str | None

    @classmethod
    def of(cls, holder: Project | User) -> Self:
        return cls(favour=planning.favour_of(holder) or None)


@router.get(
    "datacenters/{name}/footprint",
    response=FootprintOut,
    operation_id="get_footprint",
    summary="What work there costs the world and its payers",
)
def get_footprint(request: HttpRequest, name: str) -> FootprintOut:
    return FootprintOut.of(get_object_or_404(Datacenter, name=name))


@router.patch(
    "datacenters/{name}/footprint",
    auth=WRITE,
    response=FootprintOut,
    operation_id="describe_footprint",
    summary="Say what work there costs the world and its payers, for operators",
)
def describe_footprint(request: HttpRequest, name: str, body: FootprintIn) -> HttpResponse | FootprintOut:
    must_operate(person(request))
    datacenter = get_object_or_404(Datacenter, name=name)
    row = placing.footprint_of(datacenter)
    kept = {field: getattr(row, field) for field in FootprintIn.model_fields}
    form = FootprintForm(kept | body.model_dump(exclude_unset=True), instance=row)
    if not form.is_valid():
        return problems.invalid_form(form)
    placing.describe(form, datacenter, person(request))
    return FootprintOut.of(datacenter)


@router.get(
    "storages/{id}/place",
    response=StoragePlaceOut,
    operation_id="get_storage_place",
    summary="Where its files lie, as far as that is known",
)
def get_storage_place(request: HttpRequest, id: UUID) -> StoragePlaceOut:
    return StoragePlaceOut.of(load(request, id))


@router.put(
    "storages/{id}/place",
    auth=WRITE,
    response=StoragePlaceOut,
    operation_id="set_storage_place",
    summary="Say where its files lie, so that what works on them goes near",
)
def set_storage_place(request: HttpRequest, id: UUID, body: StoragePlaceIn) -> HttpResponse | StoragePlaceOut:
    storage = load(request, id)
    placing.must_place(storage, person(request))
    form = StoragePlaceForm(body.model_dump(), instance=storage)
    if not form.is_valid():
        return problems.invalid_form(form)
    return StoragePlaceOut.of(placing.place(form, person(request)))


@router.get("me/favour", response=FavourOut, operation_id="get_my_favour", summary="What counts most for me")
def get_my_favour(request: HttpRequest) -> FavourOut:
    return FavourOut.of(person(request))


@router.put(
    "me/favour",
    auth=WRITE,
    response=FavourOut,
    operation_id="set_my_favour",
    summary="Say what counts most where several datacenters could run something of mine",
)
def set_my_favour(request: HttpRequest, body: FavourIn) -> FavourOut:
    return _favour(person(request), body, person(request))


@router.get(
    "projects/{id}/favour",
    response=FavourOut,
    operation_id="get_project_favour",
    summary="What counts most in this project",
)
def get_project_favour(request: HttpRequest, id: str) -> FavourOut:
    return FavourOut.of(_project(request, id))


@router.put(
    "projects/{id}/favour",
    auth=WRITE,
    response=FavourOut,
    operation_id="set_project_favour",
    summary="Say what counts most where people say nothing, for its managers",
)
def set_project_favour(request: HttpRequest, id: str, body: FavourIn) -> FavourOut:
    project = _project(request, id)
    placing.must_favour_for(project, person(request))
    return _favour(project, body, person(request))


def _project(request: HttpRequest, slug: str) -> Project:
    return get_object_or_404(Project.objects.visible_to(person(request)), slug=slug)


def _favour(holder: Project | User, body: FavourIn, actor: User) -> FavourOut:
    form = FavourForm({"favour": body.favour or ""})
    form.full_clean()  # its schema let through only what the form knows
    placing.favour(form, holder, actor)
    return FavourOut.of(holder)
