"""Whether something fits into the home of a project."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.models import Project
from datacenters.storage import StorageProblem

from . import home_sizes, quotas
from .models import Storage, StorageKind
from .refusals import QuotaExceeded

MB = 1_000_000


class HomeFull(QuotaExceeded, StorageProblem):
    """What is to be written does not fit any more; the text says how much does, and what would help."""


@dataclass(frozen=True)
class Home:
    used_bytes: int
    limit_bytes: int

    @property
    def left_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes)


def home_now(project: Project) -> Home:
    return Home(home_sizes.now(project), round(quotas.home_limit_mb(project) * MB))


def must_have_room(storage: Storage, size_bytes: int, *, instead_of: int = 0) -> None:
    """Raise HomeFull unless a file of this size fits, in the place of one with so many bytes."""
    if storage.kind != StorageKind.HOME:
        return
    home = home_now(storage.project)
    more = size_bytes - instead_of
    if more > 0 and more > home.left_bytes:
        text = _("It has %(size)s, and the home has room for %(left)s more: %(used)s of %(limit)s are used. %(advice)s")
        raise HomeFull(text % {"size": _megabytes(size_bytes), "left": _megabytes(home.left_bytes), **_words(home)})


def why_not_write(storage: Storage) -> str:
    """Why nothing more should be written there; empty while there is room, and for storages that are not ours."""
    if storage.kind != StorageKind.HOME:
        return ""
    home = home_now(storage.project)
    text = _("The home is full: %(used)s of %(limit)s are used. %(advice)s Or attach it read-only.")
    return "" if home.left_bytes else text % _words(home)


def _words(home: Home) -> dict[str, str]:
    return {
        "used": _megabytes(home.used_bytes),
        "limit": _megabytes(home.limit_bytes),
        "advice": _("Delete what is no longer needed, or ask an administrator for more."),
    }


def _megabytes(size_bytes: int) -> str:
    return _("%(size)s MB") % {"size": f"{size_bytes / MB:,.1f}".removesuffix(".0")}
