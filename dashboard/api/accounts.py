"""People, for administrators: who is here, as what, and whether they may come in."""

from datetime import datetime
from typing import Annotated, Literal, Self

from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from accounts import standing
from accounts.models import Capability, Level, User
from dashboard.api import paging
from dashboard.api.auth import WRITE
from dashboard.api.schemas import ListOut, Strict
from dashboard.people import person

router = Router(tags=["people"])
LevelName = Literal["basic", "intermediate", "advanced"]


class PersonChangeIn(Strict):
    """What is missing stays as it is."""

    level: LevelName | None = None
    operator: bool | None = None
    administrator: bool | None = None
    active: Annotated[bool | None, Field(description="false: they may no longer come in. What they run goes on.")] = (
        None
    )


class PersonOut(Schema):
    username: str
    name: str
    email: str
    level: Annotated[str, Field(description="basic, intermediate or advanced")]
    operator: bool
    administrator: bool
    active: bool
    capabilities: list[str]
    joined: datetime
    last_signin: datetime | None

    @classmethod
    def of(cls, user: User) -> Self:
        return cls(
            username=user.username,
            name=str(user),
            email=user.email,
            level=Level(user.level).name.lower(),
            operator=user.is_staff,
            administrator=user.is_superuser,
            active=user.is_active,
            capabilities=sorted(user.capabilities),
            joined=user.date_joined,
            last_signin=user.last_login,
        )


class PersonList(ListOut):
    items: list[PersonOut]


@router.get("people", response=PersonList, operation_id="list_people", summary="Who is here (administrators)")
def list_people(
    request: HttpRequest,
    q: Annotated[str, Field(description="Part of a user name or name.")] = "",
    limit: paging.Limit = paging.DEFAULT_LIMIT,
    cursor: paging.Cursor = None,
) -> PersonList:
    standing.must_administer(person(request))
    rows = User.objects.order_by("username")
    rows = rows.filter(Q(username__icontains=q) | Q(full_name__icontains=q)) if q else rows
    page, count, following = paging.by_offset(rows, limit=limit, cursor=cursor)
    return PersonList(items=[PersonOut.of(row) for row in page], count=count, next=following)


@router.get("people/{username}", response=PersonOut, operation_id="get_person", summary="One person")
def get_person(request: HttpRequest, username: str) -> PersonOut:
    """Oneself; administrators see everybody."""
    return PersonOut.of(_somebody(request, username))


@router.patch(
    "people/{username}",
    auth=WRITE,
    response=PersonOut,
    operation_id="change_person",
    summary="Give somebody another level, or switch their account on or off (administrators)",
)
def change_person(request: HttpRequest, username: str, body: PersonChangeIn) -> PersonOut:
    user, actor = _somebody(request, username), person(request)
    now = standing.Standing.of(user)
    with transaction.atomic():
        standing.change(
            user,
            actor,
            standing.Standing(
                level=now.level if body.level is None else Level[body.level.upper()],
                operator=now.operator if body.operator is None else body.operator,
                administrator=now.administrator if body.administrator is None else body.administrator,
            ),
        )
        if body.active is not None and body.active != user.is_active:
            standing.switch(user, actor, on=body.active)
    return PersonOut.of(user)


def _somebody(request: HttpRequest, username: str) -> User:
    user = person(request)
    seen = User.objects.all() if user.can(Capability.ADMINISTER) else User.objects.filter(pk=user.pk)
    return get_object_or_404(seen, username=username)
