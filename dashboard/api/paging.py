"""Lists by keyset cursor: pages stay right while rows come and go."""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, TypeVar

from django.core import exceptions
from django.db.models import Model, Q, QuerySet
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_aware
from django.utils.translation import gettext as _
from ninja.errors import ValidationError
from pydantic import Field

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 1000
FURTHEST = 10**12  # no list is as long, and databases count a little further

Limit = Annotated[int, Field(ge=1, le=LARGEST_LIMIT, description="How many at most.")]
Cursor = Annotated[str | None, Field(description="From “next” of the page before.")]

Row = TypeVar("Row", bound=Model)


def newest_first(
    rows: QuerySet[Row], *, limit: int, cursor: str | None, by: str = "created"
) -> tuple[list[Row], str | None]:
    """The rows of one page by their time, newest first, and the cursor of the next page."""
    rows = rows.order_by(f"-{by}", "-pk")
    if cursor:
        try:
            rows = rows.filter(_before(cursor, by))
        except (ValueError, exceptions.ValidationError):  # no id of these rows
            raise _not_ours() from None
    page = list(rows[: limit + 1])
    last: Any = page[limit - 1] if len(page) > limit else None
    return page[:limit], closed([getattr(last, by).isoformat(), str(last.pk)]) if last else None


def by_offset(rows: QuerySet[Row], *, limit: int, cursor: str | None) -> tuple[list[Row], int, str | None]:
    """The rows of one page in their own order, how many there are, and the cursor of the next page."""
    start, count = opened_offset(cursor), rows.count()
    page = list(rows[start : start + limit])
    following = start + len(page)
    return page, count, closed(following) if following < count else None


def _before(cursor: str, by: str) -> Q:
    moment, pk = _opened(cursor)
    return Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": pk})


def closed(place: list[str] | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def opened(cursor: str) -> Any:
    """What a cursor holds; raises ValidationError for one that is not ours."""
    try:
        return json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise _not_ours() from None


def _opened(cursor: str) -> tuple[datetime, str]:
    match opened(cursor):
        case [str(created), str(pk)] if when := _moment(created):
            return when, pk
    raise _not_ours()


def _moment(text: str) -> datetime | None:
    """As we wrote it, with its time zone."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    return moment if moment and is_aware(moment) else None


def _not_ours() -> ValidationError:
    return ValidationError([{"loc": ("query", "cursor"), "msg": _("Take the cursor from “next” of an earlier page.")}])


def opened_offset(cursor: str | None) -> int:
    """Where a ranked list goes on; those have no key to go by."""
    place = opened(cursor) if cursor else 0
    if isinstance(place, int) and 0 <= place < FURTHEST:
        return place
    raise _not_ours()
