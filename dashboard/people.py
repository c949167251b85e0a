"""Who asks."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User


def person(request: HttpRequest) -> User:
    """The signed-in person; views behind a sign-in or a token may count on one."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user
