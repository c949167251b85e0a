"""What a deployment's page says of its end."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from jobs import lifetimes
from jobs.durations import in_words
from jobs.models import Deployment


@dataclass(frozen=True)
class Extension:
    minutes: int

    @property
    def text(self) -> str:
        return _("Extend by %(long)s") % {"long": in_words(self.minutes * 60)}


@dataclass(frozen=True)
class Lifetime:
    ending: lifetimes.Ending | None
    unused: str  # after how long without use it stops
    extensions: tuple[Extension, ...]


def lifetime_of(deployment: Deployment) -> Lifetime:
    unused = lifetimes.idle_time(deployment)
    return Lifetime(
        lifetimes.ending(deployment),
        in_words(unused.total_seconds()) if unused else "",
        tuple(map(Extension, lifetimes.EXTENSIONS_MINUTES)),
    )
