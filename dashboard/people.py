"""Who asks."""

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from accounts.models import ApiToken, User


def person(request: HttpRequest) -> User:
    """The signed-in person; views behind a sign-in or a token may count on one."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def person_now(request: HttpRequest) -> User | None:
    """Who asked, looked up again: None once they have signed out, or their token or account was ended."""
    token = getattr(request, "auth", None)
    if isinstance(token, ApiToken):
        valid = ApiToken.objects.valid().select_related("user").filter(pk=token.pk).first()
        return valid.user if valid else None
    session = type(request.session)(request.session.session_key)
    user = User.objects.filter(pk=session.get(SESSION_KEY, 0), is_active=True).first()
    # A changed password ends a session before its row goes.
    known = str(session.get(HASH_SESSION_KEY, ""))
    return user if user and constant_time_compare(known, user.get_session_auth_hash()) else None
