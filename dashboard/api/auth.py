"""Bearer tokens, and the scope that each operation asks for."""

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from accounts.models import ApiToken, Scope


class Token(HttpBearer):
    """A valid token with this scope; the person it belongs to becomes ``request.user``."""

    def __init__(self, scope: Scope = Scope.READ) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        found = ApiToken.objects.find(token)
        if found is None:
            return None
        if not found.allows(self.scope):
            raise AuthorizationError(message=_("The token lacks the scope “%(scope)s”.") % {"scope": self.scope})
        request.user = found.user
        return found


READ, WRITE = Token(Scope.READ), Token(Scope.WRITE)
