"""The datacenters as one person may use them."""

from dataclasses import replace

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from datacenters.capacity import Capacity
from datacenters.models import Datacenter
from datacenters.services import capacities

ONE_PERSON: str | Promise = _(
    "It was started by an account that is not root, so it cannot keep one person's tasks from another's: only the "
    "first administrator deploys there. Whoever runs Serai may start it as root, or add a Nomad cluster."
)


def places_for(person: User) -> tuple[Capacity, ...]:
    """Every datacenter, with the reason at those where this person may not deploy."""
    return tuple(replace(capacity, closed=why_closed(capacity, person)) for capacity in capacities())


def why_closed(place: Capacity | Datacenter | None, person: User) -> str:
    """Why this person may not deploy there; empty if they may."""
    return str(ONE_PERSON) if place and place.one_person and not is_first_administrator(person) else ""


def is_first_administrator(person: User) -> bool:
    """Whoever came in by the link on Serai's own terminal."""
    return person.pk == User.objects.filter(is_superuser=True).order_by("pk").values_list("pk", flat=True).first()
