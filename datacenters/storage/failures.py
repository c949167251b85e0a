"""Why a storage did not do what it was asked; each says it in a sentence for people."""

from django.utils.translation import gettext as _


class StorageProblem(Exception):
    """The root of them all, with a plain sentence."""


class StorageUnreachable(StorageProblem):
    """Nobody answers there, or not in time. It may later."""


class AddressRefused(StorageProblem):
    """Serai does not go to this address."""


class WrongCredentials(StorageProblem):
    """It answers, and does not take this user or secret."""


class NotAllowed(StorageProblem):
    """This user may not do that there."""


class NotThere(StorageProblem):
    """There is no such file or folder."""


class AlreadyThere(StorageProblem):
    """Something has this name."""


class BadPath(StorageProblem):
    """No path of a file can be like this, or it leads out of the storage."""


class StorageFull(StorageProblem):
    """There is no room left."""


class StorageFailed(StorageProblem):
    """It answered with an error that we have no better word for."""


def unreachable() -> StorageUnreachable:
    return StorageUnreachable(_("The storage does not answer. Check its address, or try again later."))


def not_there() -> NotThere:
    return NotThere(_("There is no such file or folder."))


def already_there() -> AlreadyThere:
    return AlreadyThere(_("Something with this name is there already. Choose another name."))
